#include <cstring>

#include "passes/curvature.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

namespace {

void fill_identity(double* tangent, Index n, Index points) {
  std::memset(tangent, 0, static_cast<std::size_t>(n * points * n) * sizeof(double));
  for (Index i = 0; i < n; ++i)
    for (Index p = 0; p < points; ++p) tangent[(i * points + p) * n + i] = 1;
}

const double** tangents_of_inputs(const Graph& graph, Workspace& workspace, const Node& node) {
  const double** pointers = workspace.tangent_pointers();
  for (std::size_t k = 0; k < node.inputs.size(); ++k)
    pointers[k] = graph.depends(node.inputs[k]) ? workspace.tangent(node.inputs[k]) : nullptr;
  return pointers;
}

}  // namespace

void run_identity_tangents(const Graph& graph, const Layout& layout, Workspace& workspace, const TangentGoal& goal) {
  const Index n = graph.n_inputs();
  workspace.require_tangents(n);
  if (goal.hessian != nullptr) workspace.require_curvature(n);
  if (layout.is_identity_needed()) fill_identity(workspace.tangent(0), n, workspace.points());
  for (const NodeId id : layout.active()) {
    const Node& node = graph.node(id);
    if (goal.hessian != nullptr && graph.is_curved(id))
      add_curvature(graph, workspace, id, tangents_of_inputs(graph, workspace, node), goal);
    if (!goal.wants_outputs && !layout.is_tangent_needed_for_curvature(id)) continue;
    if (node.op->has_identity_tangent() && layout.storage(node.inputs[0]) == 0)
      node.op->identity_tangent(workspace.at(id), workspace.tangent(id));
    else
      node.op->tangent(workspace.at(id), tangents_of_inputs(graph, workspace, node), workspace.tangent(id), n);
  }
}

void run_tangents(const Graph& graph, const Layout& layout, Workspace& workspace) {
  for (const NodeId id : layout.active()) {
    const Node& node = graph.node(id);
    node.op->tangent(workspace.at(id), tangents_of_inputs(graph, workspace, node), workspace.tangent(id), workspace.tangent_columns());
  }
}

}  // namespace fastexpr
