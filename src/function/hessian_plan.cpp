#include "function/hessian_plan.hpp"

#include <algorithm>

#include "passes/costs.hpp"

namespace fastexpr {

namespace {

constexpr Index directions_at_a_time = 32;  // products are efficient, and blocks stay in cache

struct Total {
  double products = 0, updates = 0, back = 0;
};

Total count(const Graph& graph, const Layout& layout) {
  const auto n = static_cast<double>(graph.n_inputs());
  Total total;
  for (const NodeId id : layout.active()) {
    const costs::Cost cost = costs::of_node(graph, layout, id);
    total.products += cost.is_first ? 0 : n * cost.tangent;
    total.updates += costs::of_updates(cost.rows, n);
    total.back += n * cost.back;
  }
  return total;
}

}  // namespace

HessianPlan plan_hessian(const Graph& graph, const Layout& layout) {
  HessianPlan plan;
  if (!graph.is_curved()) return plan;
  const auto [products, updates, back] = count(graph, layout);
  plan.seeds = find_seeding(graph, layout);
  plan.cost_of(HessianWay::tangents) = products + updates;
  plan.cost_of(HessianWay::seeds) = plan.seeds.cost;
  plan.cost_of(HessianWay::directions) = products + back;
  if (plan.seeds.is_reduced() && plan.seeds.cost < costs::seeds_margin * (products + updates))
    plan.way = HessianWay::seeds;
  else if (back < costs::directions_margin * updates)
    plan.way = HessianWay::directions;
  plan.width = std::min(directions_at_a_time, graph.n_inputs());
  return plan;
}

HessianPlan with_front(const Graph& graph, const Layout& layout, HessianPlan plan) {
  if (!graph.is_curved()) return plan;
  const double most = std::min(plan.cost_of(plan.way), count(graph, layout).back);
  plan.front = find_front(graph, layout, costs::front_margin * most);
  plan.cost_of(HessianWay::front) = plan.front.cost;
  if (plan.front.exists()) plan.way = HessianWay::front;
  return plan;
}

}  // namespace fastexpr
