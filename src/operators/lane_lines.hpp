#pragma once

#include <vector>

#include "operators/grouped.hpp"

// Lines of functions of whole lanes: log sum exp, softmax and its logarithm, the Euclidean norm.

namespace fastexpr::lane_lines {

/// slopes . u + offset over one lane.
struct Plane {
  std::vector<double> slopes;
  double offset = 0;
};

/// The units of one lane in one box.
using Lane = std::vector<Interval>;

/// Whether all ends are finite and no wider apart than exp can say.
bool is_moderate(const Lane& u);

/// log sum exp is convex: its tangent in the middle lies below.
Plane log_sum_exp_below(const Lane& u);
/// Each exponential lies below its chord, and the logarithm of their sum below its tangent.
Plane log_sum_exp_above(const Lane& u);

/// The same two ways for sqrt(sum of squares).
Plane norm_below(const Lane& u);
Plane norm_above(const Lane& u);

/// u_m - plane.
Plane minus(const Plane& plane, std::size_t m);
/// factor plane + constant, factor >= 0.
Plane scaled(const Plane& plane, double factor, double constant);

/// Moves the offset down (sign -1) or up by what rounding may have done.
void guard(Plane& plane, const Lane& u, double sign);

/// A lane's units in box p.
Lane lane(const IntervalBlock& block, Index first, Index inner, Index members, Index p, Index points);
/// Writes the plane of one output unit, whose links stand together, as many for each.
void put(const Plane& plane, Index unit, Index p, Index points, const Lines& lines);

/// The links of an operator whose output units read whole lanes: unit i that which begins at first_of(i).
template <class FirstOf>
std::vector<Link> links(Index size, Index members, Index inner, FirstOf first_of) {
  std::vector<Link> result;
  for (Index i = 0; i < size; ++i)
    for (Index m = 0; m < members; ++m) result.push_back({i, 0, first_of(i) + m * inner});
  return result;
}

}  // namespace fastexpr::lane_lines
