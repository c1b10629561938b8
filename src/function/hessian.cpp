// The dense Hessian, by the way that is planned.

#include <cstring>

#include "function/implementation.hpp"
#include "linalg/products.hpp"

namespace fastexpr {

const HessianPlan& Function::Implementation::plan() {
  std::call_once(plan_once, [&] {
    hessian_plan = with_front(graph, layout, quick_plan);
    is_planned = true;
  });
  return hessian_plan;
}

void Function::Implementation::hessian(Workspace& workspace, const Request& part) {
  const Index count = workspace.points() * part.weightings;
  std::memset(part.hessian, 0, static_cast<std::size_t>(count * n() * n()) * sizeof(double));
  const HessianWay way = plan().way_for(part.weightings, part.jacobian != nullptr, m());
  switch (way) {
    case HessianWay::tangents:
      hessian_by_tangents(workspace, part);
      break;
    case HessianWay::seeds:
      hessian_by_seeds(workspace, part);
      break;
    case HessianWay::front:
      hessian_by_front(workspace, part);
      break;
    case HessianWay::directions:
      run_adjoints(graph, layout, workspace, weights_as_seed(workspace, part.weights, 1), 1);
      hessian_by_directions(workspace, part.weights, part.hessian);
      break;
  }
  if (part.jacobian != nullptr && way != HessianWay::tangents) jacobian(workspace, part.jacobian);
  for (Index i = 0; i < count; ++i) linalg::mirror_upper(part.hessian + i * n() * n(), n());
  settle_hessian(workspace, part);
}

}  // namespace fastexpr
