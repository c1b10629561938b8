#include <algorithm>
#include <cstring>

#include "linalg/interruption.hpp"
#include "passes/annihilation.hpp"
#include "passes/passes.hpp"

namespace fastexpr {

namespace {

double** wanted_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace, const Node& node, bool is_second) {
  double** pointers = workspace.adjoint_pointers();
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    const NodeId source = layout.storage(node.inputs[k]);
    pointers[k] = !graph.depends(source) ? nullptr
                  : is_second            ? workspace.second_adjoint(source)
                                         : workspace.begun_adjoint(source, graph.size(source));
  }
  return pointers;
}

void clear(double* block, Index count) { std::memset(block, 0, static_cast<std::size_t>(count) * sizeof(double)); }

void add_wall_seeds(const Graph& graph, Workspace& workspace, std::span<const WallSeed> seeds) {
  const Index columns = workspace.adjoint_columns();
  for (const WallSeed& seed : seeds)
    workspace.begun_adjoint(seed.node, graph.size(seed.node))[seed.row * columns + seed.column] += seed.weight;
}

// From node `last` on, or the one before it.
void go_backward(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId last) {
  const Index columns = workspace.adjoint_columns();
  const bool is_long = workspace.is_long(columns);
  for (auto it = layout.active().rbegin(); it != layout.active().rend(); ++it) {
    if (*it > last) continue;
    if (is_long) look_for_interruption();
    const Node& node = graph.node(*it);
    const double* own = workspace.begun_adjoint(*it, graph.size(*it));
    const Point at = workspace.at(*it);
    if (at.annihilates) {
      annihilating_adjoint(*node.op, at, own, wanted_adjoints(graph, layout, workspace, node, false), columns);
      continue;
    }
    double* first = workspace.fresh_adjoint(node.inputs[0]);
    if (first != nullptr && node.op->first_adjoint(at, own, first, columns)) {
      workspace.note_adjoint(node.inputs[0]);
      continue;
    }
    node.op->adjoint(at, own, wanted_adjoints(graph, layout, workspace, node, false), columns);
  }
  workspace.begun_adjoint(0, graph.size(0));
}

}  // namespace

void run_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace, const double* seed, Index columns) {
  workspace.require_adjoints(columns);
  for (const NodeId output : graph.outputs()) {
    const Index count = graph.size(output) * workspace.points() * columns;
    if (graph.depends(output)) {
      double* adjoint = workspace.begun_adjoint(output, graph.size(layout.storage(output)));
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
  workspace.require_adjoints(graph.size(output));
  if (!graph.node(output).op->identity_adjoint(workspace.at(output), workspace.fresh_adjoint(input))) return false;
  workspace.note_adjoint(input);
  go_backward(graph, layout, workspace, output - 1);
  return true;
}

void run_wall_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace, std::span<const WallSeed> seeds,
                       Index columns) {
  workspace.require_adjoints(columns);
  add_wall_seeds(graph, workspace, seeds);
  NodeId last = 0;
  for (const WallSeed& seed : seeds) last = std::max(last, layout.storage(seed.node));
  go_backward(graph, layout, workspace, last);
}

void run_adjoints_of(const Graph& graph, const Layout& layout, Workspace& workspace, const Seeding& z) {
  workspace.require_adjoints(z.columns);
  for (std::size_t k = 0; k < z.nodes.size(); ++k) {
    const Index size = graph.size(z.nodes[k]);
    double* adjoint = workspace.begun_adjoint(z.nodes[k], size);
    for (Index i = 0; i < size; ++i)
      for (Index p = 0; p < workspace.points(); ++p) adjoint[(i * workspace.points() + p) * z.columns + z.offsets[k] + i] = 1;
  }
  go_backward(graph, layout, workspace, z.last);
}

namespace {

// Adds the node's own curvature, S = (sum adjoint grad^2 phi) T, to the second adjoints of its inputs.
void add_own_curvature(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId id) {
  const Node& node = graph.node(id);
  const Index columns = workspace.tangent_columns();
  const double** tangents = workspace.tangent_pointers();
  double** S = workspace.adjoint_pointers();
  double* next = workspace.curvature();
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    const bool depends = graph.depends(node.inputs[k]);
    tangents[k] = depends ? workspace.tangent(node.inputs[k]) : nullptr;
    S[k] = depends ? next : nullptr;
    if (depends) next += node.op->input_size(k) * workspace.points() * columns;
  }
  const Point at = workspace.at(id);
  if (at.annihilates)
    annihilating_curvature(*node.op, at, workspace.adjoint(id), tangents, S, columns);
  else
    node.op->curvature(at, workspace.adjoint(id), tangents, S, columns);
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (S[k] == nullptr) continue;
    double* sum = workspace.second_adjoint(layout.storage(node.inputs[k]));
    const Index count = node.op->input_size(k) * workspace.points() * columns;
    for (Index i = 0; i < count; ++i) sum[i] += S[k][i];
  }
}

}  // namespace

void run_second_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace) {
  const Index columns = workspace.tangent_columns();
  workspace.require_second_adjoints(columns);
  workspace.require_curvature(columns);
  clear(workspace.second_adjoint(0), layout.value_size() * workspace.points() * columns);
  const bool is_long = workspace.is_long(columns);
  for (auto it = layout.active().rbegin(); it != layout.active().rend(); ++it) {
    if (is_long) look_for_interruption();
    const Node& node = graph.node(*it);
    double** wanted = wanted_adjoints(graph, layout, workspace, node, true);
    const Point at = workspace.at(*it);
    if (at.annihilates)
      annihilating_adjoint(*node.op, at, workspace.second_adjoint(*it), wanted, columns);
    else
      node.op->adjoint(at, workspace.second_adjoint(*it), wanted, columns);
    if (graph.is_curved(*it)) add_own_curvature(graph, layout, workspace, *it);
  }
}

}  // namespace fastexpr
