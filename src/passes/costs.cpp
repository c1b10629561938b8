#include "passes/costs.hpp"

namespace fastexpr::costs {

namespace {

/// Numbers that the node reads of inputs that depend on x; of one that is curved unit by unit, its units.
double rows_read(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (graph.diagonal_input(id) >= 0) return static_cast<double>(node.op->size());
  Index count = 0;
  for (std::size_t k = 0; k < node.inputs.size(); ++k)
    if (graph.depends(node.inputs[k])) count += node.op->input_size(k);
  return static_cast<double>(count);
}

}  // namespace

Cost of_node(const Graph& graph, const Layout& layout, NodeId id) {
  const Node& node = graph.node(id);
  const auto work = static_cast<double>(node.op->work());
  const bool is_curved = graph.is_curved(id);
  const bool is_first = node.op->has_identity_tangent() && layout.storage(node.inputs[0]) == 0;
  const bool is_wanted = is_curved || layout.is_tangent_needed_for_curvature(id);
  return {.tangent = is_wanted ? work : 0,
          .is_first = is_first,
          .rows = is_curved ? rows_read(graph, id) : 0,
          .back = work * (is_curved ? 2 : 1) + number_overhead * static_cast<double>(node.op->size())};
}

}  // namespace fastexpr::costs
