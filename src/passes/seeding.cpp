#include "passes/seeding.hpp"

#include <algorithm>

#include "passes/passes.hpp"

namespace fastexpr {

Index Seeding::offset_of(NodeId id) const {
  const auto found = std::find(nodes.begin(), nodes.end(), id);
  return found == nodes.end() ? -1 : offsets[static_cast<std::size_t>(found - nodes.begin())];
}

Seeding find_seeding(const Graph& graph, const Layout& layout) {
  const Index n = graph.n_inputs();
  Seeding reduced, full;
  full.columns = n;
  bool is_possible = true;
  double affine_work = 0, other_work = 0, curved_units = 0;
  for (const NodeId id : layout.active()) {
    const Node& node = graph.node(id);
    const bool is_wanted = graph.is_curved(id) || layout.is_tangent_needed_for_curvature(id);
    if (!is_wanted) continue;
    const auto work = static_cast<double>(node.op->work());
    // The first layer's tangents are its weights: no work.
    const bool is_first = node.op->has_identity_tangent() && layout.storage(node.inputs[0]) == 0;
    (graph.is_affine(id) ? affine_work : other_work) += is_first ? 0 : work;
    if (graph.is_affine(id)) continue;
    if (graph.is_curved(id)) curved_units += static_cast<double>(node.op->input_size(0));
    for (const NodeId input : node.inputs) {
      const NodeId source = layout.storage(input);
      if (!graph.depends(source) || !graph.is_affine(source) || reduced.offset_of(source) >= 0) continue;
      if (source == 0 || reduced.columns + graph.size(source) >= n) is_possible = false;
      if (!is_possible) continue;
      reduced.nodes.push_back(source);
      reduced.offsets.push_back(reduced.columns);
      reduced.columns += graph.size(source);
    }
  }
  const auto width = static_cast<double>(n), narrow = static_cast<double>(reduced.columns);
  full.cost = width * (affine_work + other_work) + curved_units * width * width / 2;
  reduced.cost = narrow * other_work + curved_units * narrow * narrow / 2 + narrow * narrow * width + narrow * width * width / 2;
  return is_possible && !reduced.nodes.empty() && reduced.cost < 0.8 * full.cost ? reduced : full;
}

void fill_affine(const Graph& graph, const Layout& layout, Workspace& workspace, Seeding& seeding) {
  const Index n = graph.n_inputs();
  seeding.affine.resize(static_cast<std::size_t>(seeding.columns * n));
  const NodeId last = *std::max_element(seeding.nodes.begin(), seeding.nodes.end());
  run_affine_tangents(graph, layout, workspace, last, [&](NodeId id) {
    const Index offset = seeding.offset_of(id);
    if (offset >= 0) std::copy_n(workspace.tangent(id), graph.size(id) * n, seeding.affine.data() + offset * n);
  });
}

}  // namespace fastexpr
