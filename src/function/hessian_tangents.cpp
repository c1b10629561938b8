// The Hessian from tangents of all nodes: H = sum of T'S.

#include <cstring>

#include "function/implementation.hpp"
#include "linalg/products.hpp"

namespace fastexpr {

void Function::Implementation::hessian_by_tangents(Workspace& workspace, const Request& part) const {
  run_adjoints(graph, layout, workspace, weights_as_seed(workspace, part.weights, part.weightings), part.weightings);
  run_identity_tangents(graph, layout, workspace, {part.jacobian != nullptr, part.hessian, part.weightings, nullptr});
  if (part.jacobian == nullptr) return;
  gather_tangents(workspace, part.jacobian);
  settle_jacobian(workspace, part.jacobian);
}

void Function::Implementation::hessian_from_kept_tangents(Workspace& workspace, const Request& part) const {
  const Index points = workspace.points();
  std::memset(part.hessian, 0, static_cast<std::size_t>(points * n() * n()) * sizeof(double));
  run_adjoints(graph, layout, workspace, weights_as_seed(workspace, part.weights, 1), 1);
  add_kept_curvature(graph, layout, workspace, part.hessian);
  for (Index p = 0; p < points; ++p) linalg::mirror_upper(part.hessian + p * n() * n(), n());
}

}  // namespace fastexpr
