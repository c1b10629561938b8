#include "linalg/interruption.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

void run_values(const Graph& graph, const Layout& layout, Workspace& workspace) {
  const bool is_long = workspace.is_long(1);
  for (const NodeId id : layout.active()) {
    if (is_long) look_for_interruption();
    const Operator& op = *graph.node(id).op;
    const double* const* inputs = workspace.input_values(id);
    if (const Branch* branches = workspace.branches(id))
      op.value_on(branches, inputs, workspace.value(id), workspace.points(), workspace.scratch());
    else
      op.value(inputs, workspace.value(id), workspace.points(), workspace.scratch());
  }
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
