// Sparse derivatives at one point, compressed: columns (or rows) that never meet share a direction.

#include <algorithm>
#include <cstring>
#include <utility>

#include "function/implementation.hpp"

namespace fastexpr {

namespace {

// A seed block (size, 1, colours) with a one in each row, in the column of its colour.
void seed_colors(const Coloring& coloring, double* seed) {
  std::memset(seed, 0, coloring.colors.size() * static_cast<std::size_t>(coloring.n_colors) * sizeof(double));
  for (std::size_t i = 0; i < coloring.colors.size(); ++i)
    seed[static_cast<Index>(i) * coloring.n_colors + coloring.colors[i]] = 1;
}

// entries[e] = entry(row, column) over the pattern.
template <class Entry>
void fill(const Pattern& pattern, double* entries, const Entry& entry) {
  for (Index row = 0; row < pattern.rows; ++row)
    for (Index e = pattern.starts[static_cast<std::size_t>(row)]; e < pattern.starts[static_cast<std::size_t>(row) + 1]; ++e)
      entries[e] = entry(row, static_cast<Index>(pattern.indices[static_cast<std::size_t>(e)]));
}

}  // namespace

Pattern Function::influence() const { return find_influence(implementation_->graph, implementation_->layout); }

std::vector<std::string> Function::steps(const Interval* x) const {
  std::vector<std::string> result;
  for (const NodeId id : find_steps(implementation_->graph, implementation_->layout, x)) {
    result.emplace_back();
    if (id < 0) continue;
    const Node& node = implementation_->graph.node(id);
    result.back() = node.op->name() + (node.label.empty() ? "" : " '" + node.label + "'");
  }
  return result;
}

void Function::sparse_jacobian(const double* x, double* entries) const {
  Implementation& self = *implementation_;
  const WorkspacePool::Lease lease(self.pool, 0);
  self.load(*lease, x);
  run_linearize(self.graph, self.layout, *lease, 1);
  self.sparse_jacobian(*lease, structure(), entries);
}

void Function::Implementation::sparse_jacobian(Workspace& workspace, const Structure& known, double* entries) const {
  const auto by_rows = [&] { sparse_jacobian_by_rows(workspace, known, entries); };
  if (known.jacobian_rows.n_colors <= known.jacobian_columns.n_colors)
    by_rows();
  else
    sparse_jacobian_by_columns(workspace, known, entries);
  again_if_singular(workspace, entries, known.jacobian.n_entries(), by_rows);
}

void Function::Implementation::sparse_jacobian_by_rows(Workspace& workspace, const Structure& known, double* entries) const {
  const Coloring& coloring = known.jacobian_rows;
  double* seed = workspace.seed(m() * coloring.n_colors);
  seed_colors(coloring, seed);
  run_adjoints(graph, layout, workspace, seed, coloring.n_colors);
  const double* block = workspace.adjoint(0);
  fill(known.jacobian, entries, [&](Index row, Index column) {
    return block[column * coloring.n_colors + coloring.colors[static_cast<std::size_t>(row)]];
  });
}

void Function::Implementation::sparse_jacobian_by_columns(Workspace& workspace, const Structure& known, double* entries) const {
  const Coloring& coloring = known.jacobian_columns;
  const Index n_colors = coloring.n_colors;
  workspace.require_tangents(n_colors);
  seed_colors(coloring, workspace.tangent(0));
  run_tangents(graph, layout, workspace);
  double* rows = workspace.seed(m() * n_colors);
  double* next = rows;
  for (const NodeId output : graph.outputs()) {
    const Index count = graph.size(output) * n_colors;
    if (graph.depends(output)) std::copy_n(workspace.tangent(output), count, next);
    next += count;
  }
  fill(known.jacobian, entries,
       [&](Index row, Index column) { return rows[row * n_colors + coloring.colors[static_cast<std::size_t>(column)]]; });
}

void Function::sparse_hessian(const double* x, const double* weights, double* entries) const {
  Implementation& self = *implementation_;
  if (!self.graph.is_curved()) return;  // there are none
  const WorkspacePool::Lease lease(self.pool, 0);
  self.load(*lease, x);
  run_linearize(self.graph, self.layout, *lease, 2);
  self.sparse_hessian(*lease, structure(), weights, entries);
}

void Function::Implementation::sparse_hessian(Workspace& workspace, const Structure& known, const double* weights,
                                              double* entries) {
  const Index n_colors = known.hessian_columns.n_colors;
  if (2 * n_colors >= n()) {  // a forward pass with n columns costs less than forward and back with n_colors
    double* dense = workspace.dense_hessian(n() * n());
    Request request;
    request.weights = weights;
    request.hessian = dense;
    hessian(workspace, request);
    return fill(known.hessian, entries, [&](Index row, Index column) { return dense[row * n() + column]; });
  }
  const auto run = [&] { compressed_hessian(workspace, known, weights, entries); };
  run();
  again_if_singular(workspace, entries, known.hessian.n_entries(), run);
}

void Function::Implementation::compressed_hessian(Workspace& workspace, const Structure& known, const double* weights,
                                                  double* entries) const {
  const std::vector<std::int32_t>& colors = known.hessian_columns.colors;
  const Index n_colors = known.hessian_columns.n_colors;
  run_adjoints(graph, layout, workspace, weights, 1);
  workspace.require_all_tangents(n_colors);
  seed_colors(known.hessian_columns, workspace.tangent(0));
  run_tangents(graph, layout, workspace);
  run_second_adjoints(graph, layout, workspace);
  const double* block = workspace.second_adjoint(0);
  fill(known.hessian, entries, [&](Index row, Index column) {
    if (known.is_hub[static_cast<std::size_t>(row)] && !known.is_hub[static_cast<std::size_t>(column)]) std::swap(row, column);
    return block[row * n_colors + colors[static_cast<std::size_t>(column)]];
  });
}

}  // namespace fastexpr
