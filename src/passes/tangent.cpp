#include <cstring>

#include "linalg/interruption.hpp"
#include "passes/annihilation.hpp"
#include "passes/passes.hpp"
#include "passes/tangent.hpp"

namespace fastexpr {

namespace {

// Row i of the block has a one in column `offset` + i.
void fill_identity(double* tangent, Index size, Index points, Index columns, Index offset) {
  std::memset(tangent, 0, static_cast<std::size_t>(size * points * columns) * sizeof(double));
  for (Index i = 0; i < size; ++i)
    for (Index p = 0; p < points; ++p) tangent[(i * points + p) * columns + offset + i] = 1;
}

void seed_at_x(const Graph& graph, const Layout& layout, Workspace& workspace) {
  const Index n = graph.n_inputs();
  workspace.require_tangents(n);
  if (layout.is_identity_needed()) fill_identity(workspace.tangent(0), n, workspace.points(), n, 0);
}

}  // namespace

const double** tangents_of_inputs(const Graph& graph, Workspace& workspace, const Node& node) {
  const double** pointers = workspace.tangent_pointers();
  for (std::size_t k = 0; k < node.inputs.size(); ++k)
    pointers[k] = graph.depends(node.inputs[k]) ? workspace.tangent(node.inputs[k]) : nullptr;
  return pointers;
}

void push_tangent(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId id) {
  const Node& node = graph.node(id);
  const bool is_first = layout.storage(node.inputs[0]) == 0;
  if (is_first && node.op->identity_tangent(workspace.at(id), workspace.tangent(id))) return;
  run_tangent(graph, workspace, id);
}

void start_tangents(const Graph& graph, const Layout& layout, Workspace& workspace, const Seeding* seeding) {
  if (seeding == nullptr)
    seed_at_x(graph, layout, workspace);
  else
    workspace.require_tangents(seeding->columns);
}

bool is_seeded(const Graph& graph, Workspace& workspace, const Seeding* seeding, NodeId id) {
  if (seeding == nullptr || !seeding->is_before(graph, id)) return false;
  const Index offset = seeding->offset_of(id);
  if (offset >= 0) fill_identity(workspace.tangent(id), graph.size(id), workspace.points(), workspace.tangent_columns(), offset);
  return true;
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
