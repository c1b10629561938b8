#pragma once

#include <vector>

#include "passes/seeding.hpp"
#include "passes/structure.hpp"

namespace fastexpr {

/// The front of a graph: its first nodes, where curvature is unit by unit and each unit sees few components of x, as in a
/// convolutional network. What comes behind reads it through few numbers z. With M the Hessian with respect to z of what comes
/// behind, and A = dz/dx,
///   H = the front's own curvature + A' M A.
/// The front's own curvature is cheap from compressed tangents, where components that no unit sees together share a column
/// (Curtis, Powell and Reid 1974); A comes from adjoints, one for each number of z.
struct Front {
  /// A node that is curved unit by unit: which components each unit of that input sees.
  struct Curved {
    NodeId id;
    Pattern seen;
  };

  Seeding cut;                 // z; its `last` node ends the front
  Coloring components;         // columns of the compressed tangents
  std::vector<NodeId> nodes;   // whose tangents are needed, in order
  std::vector<Curved> curved;  // in order
  double cost = 0;  // of a Hessian by it: see passes/costs.hpp; of the best one, where none is worth it; 0: there is none

  bool exists() const { return cut.last > 0; }
};

/// The front that makes a Hessian cheapest; its cost alone where that is not below `most`.
Front find_front(const Graph& graph, const Layout& layout, double most);

/// Adds the front's own curvature to the upper triangles of `hessian` (points, weightings, n, n), after run_adjoints with
/// `weightings` columns.
void add_front_curvature(const Graph& graph, Workspace& workspace, const Front& front, Index weightings, double* hessian);

}  // namespace fastexpr
