#include "passes/passes.hpp"

namespace fastexpr {

void run_values(const Graph& graph, const Layout& layout, Workspace& workspace) {
  for (const NodeId id : layout.active())
    graph.node(id).op->value(workspace.input_values(id), workspace.value(id), workspace.points(), workspace.scratch());
}

void run_linearize(const Graph& graph, const Layout& layout, Workspace& workspace, int order) {
  workspace.require_local(order);
  for (const NodeId id : layout.active()) {
    const Operator& op = *graph.node(id).op;
    if (op.local_size(order) == 0) continue;
    Point at = workspace.at(id);
    at.local = nullptr;
    op.linearize(at, order, workspace.local(id));
  }
}

}  // namespace fastexpr
