#pragma once

#include "passes/passes.hpp"

namespace fastexpr {

/// Adds one node's share to the upper triangles of the Hessians: H += T' S, with T the tangents of its inputs (columns = n)
/// and S its curvature, for every point and weighting of goal.hessian. is_x: a node with diagonal curvature reads x itself, and
/// the seed is the identity there; its tangent is not looked at.
void add_curvature(const Graph& graph, Workspace& workspace, NodeId id, const double* const* tangents, const TangentGoal& goal,
                   bool is_x);

/// q (size, points) of a node that is curved unit by unit, for column w of its adjoints; valid until the next call.
const double* curvature_diagonal(const Graph& graph, Workspace& workspace, NodeId id, Index weightings, Index w);

}  // namespace fastexpr
