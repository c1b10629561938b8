#pragma once

#include <functional>
#include <span>

#include "passes/seeding.hpp"
#include "passes/workspace.hpp"

// The passes over a graph, each a short loop over the active nodes. Which comes after which:
//
//   values -> linearize -> adjoints (from seeds at the outputs)            gradient, J by rows
//                       -> tangents (from a seed at x)                     J by columns
//                       -> adjoints -> tangents with curvature             Hessian: H = sum over nodes of T' S
//                       -> adjoints -> all tangents -> second adjoints     Hessian times a block of directions
//
// Blocks are (size, points, columns), see graph/operator.hpp. n is the number of inputs, m of outputs.

namespace fastexpr {

/// Values of all nodes; x stands in value(0) already, (n, points).
void run_values(const Graph& graph, const Layout& layout, Workspace& workspace);

/// Local derivatives of all nodes, up to this order.
void run_linearize(const Graph& graph, const Layout& layout, Workspace& workspace, int order);

/// Adds seed (m, points, columns) to the adjoints of the outputs, all others zero, then goes backward: adjoint(0) is
/// (n, points, columns) = J' seed. The workspace's wall seeds are added.
void run_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace, const double* seed, Index columns);

/// The same from the identity, columns == m. False where a seed has to be multiplied.
bool run_identity_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace);

/// The same from these seeds alone, inside the graph.
void run_wall_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace, std::span<const WallSeed> seeds,
                       Index columns);

/// What a forward pass from the identity is for. Its columns are those of the seeding: n, or fewer.
struct TangentGoal {
  bool wants_outputs = false;        // the outputs' tangents: J (m, points, n); not from a reduced seeding
  double* hessian = nullptr;         // upper triangles (points, weightings, columns, columns), added to
  Index weightings = 1;              // columns of the adjoints
  const Seeding* seeding = nullptr;  // null: from x
};

/// Tangents from the identity at x, or at the seeds.
void run_identity_tangents(const Graph& graph, const Layout& layout, Workspace& workspace, const TangentGoal& goal);

/// The same, but all tangents stay, for add_kept_curvature.
void run_kept_tangents(const Graph& graph, const Layout& layout, Workspace& workspace);

/// Adds the second derivatives to the upper triangles of hessian (points, n, n), after run_kept_tangents and run_adjoints with
/// one column.
void add_kept_curvature(const Graph& graph, const Layout& layout, Workspace& workspace, double* hessian);

/// Tangents of the affine nodes up to `last`, from the identity at x; visit(id) sees each while it is there.
void run_affine_tangents(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId last,
                         const std::function<void(NodeId)>& visit);

/// Tangents from the seed in tangent(0), which the caller has filled after require_tangents or require_all_tangents.
void run_tangents(const Graph& graph, const Layout& layout, Workspace& workspace);

/// The tangent of one node, from those of its inputs.
void run_tangent(const Graph& graph, Workspace& workspace, NodeId id);

/// Adjoints of the seeds z instead of the outputs: adjoint(0) is (n, points, columns of z) = (dz/dx)'.
void run_adjoints_of(const Graph& graph, const Layout& layout, Workspace& workspace, const Seeding& z);

/// Second adjoints: second_adjoint(0) (n, points, columns) = H tangent(0), after run_adjoints with one column and run_tangents
/// with all tangents kept.
void run_second_adjoints(const Graph& graph, const Layout& layout, Workspace& workspace);

/// Interval of every node's units for x in the given box (n), at their places in the layout.
std::vector<Interval> find_bounds(const Graph& graph, const Layout& layout, const Interval* x);
/// Interval of every output: output (m).
void run_bounds(const Graph& graph, const Layout& layout, const Interval* x, Interval* output);

}  // namespace fastexpr
