// H = sum over the nodes of T' S: T are the tangents of a node's inputs, and S = (sum_i adjoint_i grad^2 phi_i) T is its
// curvature. Values, local derivatives and adjoints are there; tangents go forward in the loop below. What is curved unit by unit
// gives a diagonal q only, for H += T' diag(q) T.

#include "passes/curvature.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/interruption.hpp"
#include "linalg/products.hpp"
#include "passes/tangent.hpp"

namespace fastexpr {

namespace {

void add_curvature(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId id, const TangentGoal& goal);

}  // namespace

void run_identity_tangents(const Graph& graph, const Layout& layout, Workspace& workspace, const TangentGoal& goal) {
  start_tangents(graph, layout, workspace, goal.seeding);
  if (goal.hessian != nullptr) workspace.require_curvature(workspace.tangent_columns());
  const bool is_long = workspace.is_long(workspace.tangent_columns());
  for (const NodeId id : layout.active()) {
    if (is_long) look_for_interruption();
    if (is_seeded(graph, workspace, goal.seeding, id)) continue;
    if (goal.hessian != nullptr && graph.is_curved(id)) add_curvature(graph, layout, workspace, id, goal);
    if (goal.wants_outputs || layout.is_tangent_needed_for_curvature(id)) push_tangent(graph, layout, workspace, id);
  }
}

void add_kept_curvature(const Graph& graph, const Layout& layout, Workspace& workspace, double* hessian) {
  workspace.require_curvature(graph.n_inputs());
  const bool is_long = workspace.is_long(graph.n_inputs());
  for (const NodeId id : layout.active()) {
    if (is_long) look_for_interruption();
    if (graph.is_curved(id)) add_curvature(graph, layout, workspace, id, {false, hessian, 1, nullptr});
  }
}

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

namespace {

// H += T' S of one node.
void add_curvature(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId id, const TangentGoal& goal) {
  const Node& node = graph.node(id);
  const Operator& op = *node.op;
  const double** tangents = tangents_of_inputs(graph, workspace, node);
  const Index n = workspace.tangent_columns();
  const Index points = workspace.points();
  const Index count = op.size() * points;
  const Point at = workspace.at(id);
  for (Index w = 0; w < goal.weightings; ++w) {
    const auto H = [&](Index p) { return goal.hessian + (p * goal.weightings + w) * n * n; };
    const int input = graph.diagonal_input(id);
    if (input >= 0) {
      const bool is_x = layout.storage(node.inputs[static_cast<std::size_t>(input)]) == 0;
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

}  // namespace

}  // namespace fastexpr
