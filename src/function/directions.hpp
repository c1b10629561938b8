#pragma once

#include "passes/layout.hpp"

namespace fastexpr {

/// How many directions at a time H is multiplied with to get all of its columns; 0 where summing T' S over the nodes costs less.
///
/// T' S costs n^2 / 2 multiplications for every number that a curved node reads. Going back with n directions costs as much as
/// n gradients, whatever n is. So it pays where layers have more units than parameters per unit: shared weights (convolutions,
/// attention), and many inputs.
Index hessian_directions(const Graph& graph, const Layout& layout);

/// Multiplications that this takes, about.
double cost_of_directions(const Graph& graph, const Layout& layout);

}  // namespace fastexpr
