#pragma once

#include "passes/passes.hpp"

namespace fastexpr {

/// q (size, points) of a node that is curved unit by unit, for column w of its adjoints; valid until the next call.
const double* curvature_diagonal(const Graph& graph, Workspace& workspace, NodeId id, Index weightings, Index w);

}  // namespace fastexpr
