#include <cstring>

#include "linalg/interruption.hpp"
#include "passes/annihilation.hpp"
#include "passes/curvature.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

namespace {

// Row i of the block has a one in column `offset` + i.
void fill_identity(double* tangent, Index size, Index points, Index columns, Index offset) {
  std::memset(tangent, 0, static_cast<std::size_t>(size * points * columns) * sizeof(double));
  for (Index i = 0; i < size; ++i)
    for (Index p = 0; p < points; ++p) tangent[(i * points + p) * columns + offset + i] = 1;
}

const double** tangents_of_inputs(const Graph& graph, Workspace& workspace, const Node& node) {
  const double** pointers = workspace.tangent_pointers();
  for (std::size_t k = 0; k < node.inputs.size(); ++k)
    pointers[k] = graph.depends(node.inputs[k]) ? workspace.tangent(node.inputs[k]) : nullptr;
  return pointers;
}

// The tangent of one node, from an identity at x that is written down only where an operator needs to see it.
void push_tangent(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId id) {
  const Node& node = graph.node(id);
  const bool is_first = layout.storage(node.inputs[0]) == 0;
  if (is_first && node.op->identity_tangent(workspace.at(id), workspace.tangent(id))) return;
  run_tangent(graph, workspace, id);
}

bool reads_x_diagonally(const Graph& graph, const Layout& layout, NodeId id) {
  const int input = graph.diagonal_input(id);
  return input >= 0 && layout.storage(graph.node(id).inputs[static_cast<std::size_t>(input)]) == 0;
}

void seed_at_x(const Graph& graph, const Layout& layout, Workspace& workspace) {
  const Index n = graph.n_inputs();
  workspace.require_tangents(n);
  if (layout.is_identity_needed()) fill_identity(workspace.tangent(0), n, workspace.points(), n, 0);
}

}  // namespace

void run_identity_tangents(const Graph& graph, const Layout& layout, Workspace& workspace, const TangentGoal& goal) {
  const bool is_reduced = goal.seeding != nullptr && goal.seeding->is_reduced();
  if (is_reduced)
    workspace.require_tangents(goal.seeding->columns);
  else
    seed_at_x(graph, layout, workspace);
  if (goal.hessian != nullptr) workspace.require_curvature(workspace.tangent_columns());
  const bool is_long = workspace.is_long(workspace.tangent_columns());
  for (const NodeId id : layout.active()) {
    if (is_long) look_for_interruption();
    if (is_reduced && goal.seeding->is_before(graph, id)) {
      const Index offset = goal.seeding->offset_of(id);
      if (offset >= 0)
        fill_identity(workspace.tangent(id), graph.size(id), workspace.points(), workspace.tangent_columns(), offset);
      continue;
    }
    if (goal.hessian != nullptr && graph.is_curved(id))
      add_curvature(graph, workspace, id, tangents_of_inputs(graph, workspace, graph.node(id)), goal,
                    reads_x_diagonally(graph, layout, id));
    if (goal.wants_outputs || layout.is_tangent_needed_for_curvature(id)) push_tangent(graph, layout, workspace, id);
  }
}

void run_kept_tangents(const Graph& graph, const Layout& layout, Workspace& workspace) {
  const Index n = graph.n_inputs();
  workspace.require_all_tangents(n);
  if (layout.is_identity_needed()) fill_identity(workspace.tangent(0), n, workspace.points(), n, 0);
  const bool is_long = workspace.is_long(n);
  for (const NodeId id : layout.active()) {
    if (is_long) look_for_interruption();
    push_tangent(graph, layout, workspace, id);
  }
}

void add_kept_curvature(const Graph& graph, const Layout& layout, Workspace& workspace, double* hessian) {
  workspace.require_curvature(graph.n_inputs());
  const TangentGoal goal{false, hessian, 1, nullptr};
  const bool is_long = workspace.is_long(graph.n_inputs());
  for (const NodeId id : layout.active()) {
    if (is_long) look_for_interruption();
    if (graph.is_curved(id))
      add_curvature(graph, workspace, id, tangents_of_inputs(graph, workspace, graph.node(id)), goal,
                    reads_x_diagonally(graph, layout, id));
  }
}

void run_affine_tangents(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId last,
                         const std::function<void(NodeId)>& visit) {
  seed_at_x(graph, layout, workspace);
  for (const NodeId id : layout.active()) {
    if (id > last) break;
    if (!graph.is_affine(id)) continue;
    look_for_interruption();
    push_tangent(graph, layout, workspace, id);
    visit(id);
  }
}

void run_tangents(const Graph& graph, const Layout& layout, Workspace& workspace) {
  const bool is_long = workspace.is_long(workspace.tangent_columns());
  for (const NodeId id : layout.active()) {
    if (is_long) look_for_interruption();
    run_tangent(graph, workspace, id);
  }
}

void run_tangent(const Graph& graph, Workspace& workspace, NodeId id) {
  const Node& node = graph.node(id);
  const double** tangents = tangents_of_inputs(graph, workspace, node);
  const Point at = workspace.at(id);
  if (at.annihilates) return annihilating_tangent(*node.op, at, tangents, workspace.tangent(id), workspace.tangent_columns());
  node.op->tangent(at, tangents, workspace.tangent(id), workspace.tangent_columns());
}

}  // namespace fastexpr
