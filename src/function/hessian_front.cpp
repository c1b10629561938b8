// The Hessian from a front's compressed tangents, and A'MA of what is behind it.

#include "function/implementation.hpp"
#include "linalg/products.hpp"

namespace fastexpr {

void Function::Implementation::hessian_by_front(Workspace& workspace, const Request& part) const {
  const Seeding& z = hessian_plan.front.cut;
  const Index h = z.columns, points = workspace.points(), count = points * part.weightings;
  double* A = workspace.seed_hessian(points * h * n() + count * h * h + h * n());
  if (h > 0) {
    run_adjoints_of(graph, layout, workspace, z);
    const double* block = workspace.adjoint(0);  // (n, points, h)
    if (points == 1) linalg::transpose(block, n(), h, A);
    for (Index p = 0; points > 1 && p < points; ++p)
      for (Index i = 0; i < n(); ++i)
        for (Index j = 0; j < h; ++j) A[(p * h + j) * n() + i] = block[(i * points + p) * h + j];
  }
  run_adjoints(graph, layout, workspace, weights_as_seed(workspace, part.weights, part.weightings), part.weightings);
  add_front_curvature(graph, workspace, hessian_plan.front, part.weightings, part.hessian);
  if (h > 0) hessian_from_seeds(workspace, part, z, A, h * n(), A + points * h * n());
}

}  // namespace fastexpr
