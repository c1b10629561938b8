#include "passes/seeding.hpp"

#include <algorithm>

#include "passes/costs.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

Index Seeding::offset_of(NodeId id) const {
  const auto found = std::find(nodes.begin(), nodes.end(), id);
  return found == nodes.end() ? -1 : offsets[static_cast<std::size_t>(found - nodes.begin())];
}

Seeding find_seeding(const Graph& graph, const Layout& layout) {
  const Index n = graph.n_inputs();
  Seeding seeding;
  double products = 0, rows = 0;  // behind the seeds
  for (const NodeId id : layout.active()) {
    const bool is_wanted = graph.is_curved(id) || layout.is_tangent_needed_for_curvature(id);
    if (!is_wanted || graph.is_affine(id)) continue;
    const costs::Cost cost = costs::of_node(graph, layout, id);
    products += cost.tangent;
    rows += cost.rows;
    for (const NodeId input : graph.node(id).inputs) {
      const NodeId source = layout.storage(input);
      if (!graph.depends(source) || !graph.is_affine(source) || seeding.offset_of(source) >= 0) continue;
      if (source == 0 || seeding.columns + graph.size(source) >= n) return {};
      seeding.nodes.push_back(source);
      seeding.offsets.push_back(seeding.columns);
      seeding.columns += graph.size(source);
    }
  }
  const auto h = static_cast<double>(seeding.columns);
  seeding.cost = h * products + costs::of_updates(rows, h) + costs::of_congruence(h, static_cast<double>(n));
  return seeding;
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
