#pragma once

#include "passes/passes.hpp"

namespace fastexpr {

/// Adds one node's share to the upper triangles of the Hessians: H += T' S, with T the tangents of its inputs (columns = n)
/// and S its curvature, for every point and weighting of goal.hessian.
void add_curvature(const Graph& graph, Workspace& workspace, NodeId id, const double* const* tangents, const TangentGoal& goal);

}  // namespace fastexpr
