#pragma once

#include "passes/passes.hpp"

namespace fastexpr {

/// Makes room, and sets the identity at x where there are no seeds (null).
void start_tangents(const Graph& graph, const Layout& layout, Workspace& workspace, const Seeding* seeding);
/// Whether tangents start at the seeds, and the node is one of them, whose identity is set, or stands before them.
bool is_seeded(const Graph& graph, Workspace& workspace, const Seeding* seeding, NodeId id);

/// The tangent of one node, from an identity at x that is written down only where an operator needs to see it.
void push_tangent(const Graph& graph, const Layout& layout, Workspace& workspace, NodeId id);

/// Those of the node's inputs; null where an input does not depend on x.
const double** tangents_of_inputs(const Graph& graph, Workspace& workspace, const Node& node);

}  // namespace fastexpr
