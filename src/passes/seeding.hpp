#pragma once

#include <vector>

#include "passes/workspace.hpp"

namespace fastexpr {

/// Where the tangents of a Hessian start. Usually at x, with n columns. Where every path from x to a nonlinear node passes
/// through affine images of x, z = A x + b, of fewer numbers than x has, it is cheaper to start there: with M the Hessian with
/// respect to z, H = A' M A. (An image of 784 pixels whose first layer has 128 units: about 3 times less work.)
struct Seeding {
  std::vector<NodeId> nodes;   // whose values make up z, in order; empty: x itself
  std::vector<Index> offsets;  // where each starts in z
  Index columns = 0;           // size of z, or n
  std::vector<double> affine;  // A (columns, n); empty where z is x, or no affine image of it
  NodeId last = 0;             // the last node before z; 0: the affine nodes are those before z
  double cost = 0;             // of a Hessian from there: see passes/costs.hpp

  bool is_reduced() const { return !nodes.empty(); }
  /// Whether the node's tangents are not needed.
  bool is_before(const Graph& graph, NodeId id) const { return last > 0 ? id <= last : graph.is_affine(id); }
  /// Position of the node's first unit in z; -1 for a node that is not a seed.
  Index offset_of(NodeId id) const;
};

/// The affine images through which all of the graph's curvature sees x; x itself (not is_reduced) where there are none of fewer
/// numbers. `affine` stays empty: see fill_affine.
Seeding find_seeding(const Graph& graph, const Layout& layout);

/// A, from one pass over the affine nodes; any x does. The workspace has one point.
void fill_affine(const Graph& graph, const Layout& layout, Workspace& workspace, Seeding& seeding);

}  // namespace fastexpr
