#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "linalg/interruption.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

std::vector<Interval> find_bounds(const Graph& graph, const Layout& layout, const Interval* x) {
  std::vector<Interval> intervals(static_cast<std::size_t>(layout.value_size()));
  const auto of = [&](NodeId id) { return intervals.data() + layout.value_offset(id); };
  std::copy(x, x + graph.n_inputs(), of(0));
  std::vector<const Interval*> inputs;
  for (NodeId id = 1; id < graph.n_nodes(); ++id) {
    if (layout.storage(id) != id) continue;
    look_for_interruption();
    inputs.clear();
    for (const NodeId input : graph.node(id).inputs) inputs.push_back(of(input));
    graph.node(id).op->bounds(inputs.data(), of(id));
  }
  return intervals;
}

void run_bounds(const Graph& graph, const Layout& layout, const Interval* x, Interval* output) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector<Interval> intervals = find_bounds(graph, layout, x);
  for (const NodeId id : graph.outputs()) {
    const Interval* own = intervals.data() + layout.value_offset(id);
    for (Index i = 0; i < graph.size(id); ++i, ++output) {
      const bool may_be_nan = std::isnan(own[i].lower) || std::isnan(own[i].upper);
      *output = may_be_nan ? Interval{-infinity, infinity} : own[i];
    }
  }
}

}  // namespace fastexpr
