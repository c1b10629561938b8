#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace fastexpr {

/// Nodes and outputs with the same values (u * sigmoid(u) is 0, not NaN, at -inf) and less work: what no output needs is dropped,
/// Linear followed by Add of a constant along its axis becomes Linear with a bias, u * u or u ** 2 becomes Square, and u *
/// sigmoid(u) Swish. Node ids count from 1; 0 is x. Importers stay free of such patterns.
void simplify(std::vector<Node>& nodes, std::vector<NodeId>& outputs);

}  // namespace fastexpr
