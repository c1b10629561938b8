#include <algorithm>

#include "graph/rows.hpp"
#include "linalg/interruption.hpp"
#include "passes/annihilation.hpp"
#include "passes/passes.hpp"
#include "passes/tangent.hpp"

namespace fastexpr {

namespace {

// Adds the node's part to the blocks of its inputs.
void push_back(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId id, AdjointBlocks& blocks) {
  const Node& node = graph.node(id);
  const double* own = blocks.block(id);
  const Point at = workspace.at(id);
  double* first = at.annihilates ? nullptr : blocks.fresh(node.inputs[0]);
  if (first != nullptr && node.op->first_adjoint(at, own, first, blocks.columns())) return blocks.note(node.inputs[0]);
  double** wanted = workspace.adjoint_pointers();
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    const NodeId source = layout.storage(node.inputs[k]);
    wanted[k] = graph.depends(source) ? blocks.begun(source, graph.size(source)) : nullptr;
  }
  if (at.annihilates)
    annihilating_adjoint(*node.op, at, own, wanted, blocks.columns());
  else
    node.op->adjoint(at, own, wanted, blocks.columns());
}

void add_wall_seeds(const Graph& graph, Workspace& workspace, std::span<const WallSeed> seeds) {
  const Index columns = workspace.adjoint_columns();
  for (const WallSeed& seed : seeds)
    workspace.adjoints().begun(seed.node, graph.size(seed.node))[seed.row * columns + seed.column] += seed.weight;
}

// From node `last` on, or the one before it.
void go_backward(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId last) {
  AdjointBlocks& blocks = workspace.adjoints();
  const bool is_long = workspace.is_long(blocks.columns());
  for (auto it = layout.active().rbegin(); it != layout.active().rend(); ++it) {
    if (*it > last) continue;
    if (is_long) look_for_interruption();
    blocks.begun(*it, graph.size(*it));
    push_back(graph, layout, workspace, *it, blocks);
  }
  blocks.begun(0, graph.size(0));
}

}  // namespace

void run_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace, const double* seed, Index columns) {
  workspace.adjoints().require(columns);
  for (const NodeId output : graph.outputs()) {
    const Index count = graph.size(output) * workspace.points() * columns;
    if (graph.depends(output)) {
      double* adjoint = workspace.adjoints().begun(output, graph.size(layout.storage(output)));
      for (Index i = 0; i < count; ++i) adjoint[i] += seed[i];
    }
    seed += count;
  }
  add_wall_seeds(graph, workspace, workspace.wall_seeds());
  go_backward(graph, layout, workspace, graph.n_nodes());
}

bool run_identity_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace) {
  if (graph.outputs().size() != 1 || !workspace.wall_seeds().empty() || workspace.annihilates()) return false;
  const NodeId output = layout.storage(graph.outputs()[0]);  // nothing else reads it
  if (output == 0 || !graph.depends(output) || graph.node(output).inputs.size() != 1) return false;
  const NodeId input = graph.node(output).inputs[0];
  workspace.adjoints().require(graph.size(output));
  if (!graph.node(output).op->identity_adjoint(workspace.at(output), workspace.adjoints().fresh(input))) return false;
  workspace.adjoints().note(input);
  go_backward(graph, layout, workspace, output - 1);
  return true;
}

void run_wall_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace, std::span<const WallSeed> seeds,
                       Index columns) {
  workspace.adjoints().require(columns);
  add_wall_seeds(graph, workspace, seeds);
  NodeId last = 0;
  for (const WallSeed& seed : seeds) last = std::max(last, layout.storage(seed.node));
  go_backward(graph, layout, workspace, last);
}

void run_adjoints_of(const Graph& graph, const Layout& layout, Workspace& workspace, const Seeding& z) {
  workspace.adjoints().require(z.columns);
  for (std::size_t k = 0; k < z.nodes.size(); ++k) {
    const Index size = graph.size(z.nodes[k]);
    double* adjoint = workspace.adjoints().begun(z.nodes[k], size);
    for (Index i = 0; i < size; ++i)
      for (Index p = 0; p < workspace.points(); ++p) adjoint[(i * workspace.points() + p) * z.columns + z.offsets[k] + i] = 1;
  }
  go_backward(graph, layout, workspace, z.last);
}

namespace {

// Adds the node's own curvature, S = (sum adjoint grad^2 phi) T, to the second adjoints of its inputs: at its place where
// nothing has been added yet.
void add_own_curvature(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId id) {
  const Node& node = graph.node(id);
  const Index columns = workspace.tangent_columns();
  AdjointBlocks& blocks = workspace.second_adjoints();
  const double** tangents = tangents_of_inputs(graph, workspace, node);
  double** S = workspace.adjoint_pointers();
  double* next = workspace.curvature();
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    S[k] = nullptr;
    if (tangents[k] == nullptr) continue;
    S[k] = blocks.fresh(node.inputs[k]);
    if (S[k] != nullptr) {
      blocks.note(node.inputs[k]);
    } else {
      S[k] = next;
      next += node.op->input_size(k) * workspace.points() * columns;
    }
  }
  const Point at = workspace.at(id);
  if (at.annihilates)
    annihilating_curvature(*node.op, at, workspace.adjoint(id), tangents, S, columns);
  else
    node.op->curvature(at, workspace.adjoint(id), tangents, S, columns);
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    double* sum = blocks.block(layout.storage(node.inputs[k]));
    if (S[k] != nullptr && S[k] != sum) rows::add(S[k], sum, node.op->input_size(k) * workspace.points() * columns);
  }
}

}  // namespace

void run_second_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace) {
  const Index columns = workspace.tangent_columns();
  AdjointBlocks& blocks = workspace.second_adjoints();
  blocks.require(columns);
  workspace.require_curvature(columns);
  const bool is_long = workspace.is_long(columns);
  for (auto it = layout.active().rbegin(); it != layout.active().rend(); ++it) {
    if (is_long) look_for_interruption();
    if (graph.is_curved(*it)) add_own_curvature(graph, layout, workspace, *it);
    if (blocks.has(*it)) push_back(graph, layout, workspace, *it, blocks);
  }
  blocks.begun(0, graph.size(0));
}

}  // namespace fastexpr
