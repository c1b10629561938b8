#pragma once

#include "passes/layout.hpp"

// What Hessians cost, in multiplications at one point. All ways are weighed by these numbers, and by nothing else: see
// function/hessian_plan.hpp. Counts are about right only, so a way must be cheaper by its margin than those that come before it.

namespace fastexpr::costs {

/// Of one node.
struct Cost {
  double tangent = 0;     // a column of its tangent, where it is curved or somebody behind it is
  bool is_first = false;  // tangents that start at x are written down here without a product
  double rows = 0;        // of T in H += T'S
  double back = 0;        // a column of the second adjoints that it passes on
};

inline constexpr double number_overhead = 16;  // of reading and writing a number of a block on the way back

inline constexpr double seeds_margin = 0.8;
inline constexpr double directions_margin = 0.7;  // of the updates alone: products forward are in both
inline constexpr double front_margin = 0.8;

Cost of_node(const Graph& graph, const Layout& layout, NodeId id);

/// H += T'S with so many rows and columns: one triangle.
inline double of_updates(double rows, double columns) { return rows * columns * columns / 2; }

/// A' M A of M (h, h) and A (h, n).
inline double of_congruence(double h, double n) { return h * h * n + h * n * n / 2; }

}  // namespace fastexpr::costs
