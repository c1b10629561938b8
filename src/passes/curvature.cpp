#include "passes/curvature.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/products.hpp"

namespace fastexpr {

namespace {

// Column w of the node's adjoint block (size, points, weightings), as (size, points).
const double* adjoint_column(Workspace& workspace, NodeId id, Index count, Index weightings, Index w, double* room) {
  const double* adjoint = workspace.adjoint(id);
  if (weightings == 1) return adjoint;
  for (Index i = 0; i < count; ++i) room[i] = adjoint[i * weightings + w];
  return room;
}

// H += diag(q): the curvature of a node that reads x itself, whose tangent is the identity.
void add_to_diagonal(const double* q, Index stride, Index n, double* H) {
  for (Index i = 0; i < n; ++i) H[i * n + i] += q[i * stride];
}

/// H += T' S, both (rows, n). A row of S that is zero takes no part, not even where its tangents are not finite: they belong to
/// the side of a Where that is not chosen.
void add_coupling(const double* T, const double* S, Index stride, Index rows, Index n, double* H) {
  bool are_finite = true;
  for (Index row = 0; row < rows; ++row)
    for (Index c = 0; c < n; ++c) are_finite &= std::isfinite(T[row * stride + c]);
  if (are_finite) return linalg::add_product_triangle(T, S, stride, rows, n, H);
  for (Index row = 0; row < rows; ++row) {
    const double* S_row = S + row * stride;
    if (std::any_of(S_row, S_row + n, [](double number) { return number != 0; }))
      linalg::add_product_triangle(T + row * stride, S_row, stride, 1, n, H);
  }
}

}  // namespace

const double* curvature_diagonal(const Graph& graph, Workspace& workspace, NodeId id, Index weightings, Index w) {
  const Operator& op = *graph.node(id).op;
  const Index count = op.size() * workspace.points();
  const double* adjoint = adjoint_column(workspace, id, count, weightings, w, workspace.adjoint_column());
  op.curvature_diagonal(workspace.at(id), adjoint, graph.diagonal_input(id), workspace.diagonal());
  return workspace.diagonal();
}

void add_curvature(const Graph& graph, Workspace& workspace, NodeId id, const double* const* tangents, const TangentGoal& goal,
                   bool is_x) {
  const Operator& op = *graph.node(id).op;
  const Index n = workspace.tangent_columns();
  const Index points = workspace.points();
  const Index count = op.size() * points;
  const Point at = workspace.at(id);
  for (Index w = 0; w < goal.weightings; ++w) {
    const auto H = [&](Index p) { return goal.hessian + (p * goal.weightings + w) * n * n; };
    const int input = graph.diagonal_input(id);
    if (input >= 0) {
      const double* q = curvature_diagonal(graph, workspace, id, goal.weightings, w);
      for (Index p = 0; p < points; ++p) {
        if (is_x)
          add_to_diagonal(q + p, points, n, H(p));
        else
          linalg::add_scaled_gram(tangents[input] + p * n, points * n, q + p, points, op.size(), n, H(p));
      }
      continue;
    }
    const double* adjoint = adjoint_column(workspace, id, count, goal.weightings, w, workspace.adjoint_column());
    double** S = workspace.adjoint_pointers();
    double* next = workspace.curvature();
    for (std::size_t k = 0; k < op.n_inputs(); ++k) {
      S[k] = tangents[k] != nullptr ? next : nullptr;
      if (S[k] != nullptr) next += op.input_size(k) * points * n;
    }
    op.curvature(at, adjoint, tangents, S, n);
    for (std::size_t k = 0; k < op.n_inputs(); ++k)
      for (Index p = 0; S[k] != nullptr && p < points; ++p)
        add_coupling(tangents[k] + p * n, S[k] + p * n, points * n, op.input_size(k), n, H(p));
  }
}

}  // namespace fastexpr
