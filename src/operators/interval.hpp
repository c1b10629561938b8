#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "graph/operator.hpp"

// Interval arithmetic that rounds outward, so that a result encloses what is computed as well as what is meant.
// Ends may be infinite: such an end is not reached, but by a constant (both ends the same infinity).
//
// What may be NaN somewhere in a box (log of [-1, 1]) has no bounds, and neither has anything that is computed of it: a
// comparison with NaN is false, so that bounds of a branch behind it would look finite where nothing is known. Such an interval
// has NaN for ends, which no operator takes away; the pass makes the whole line of it in the end.

namespace fastexpr::interval {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr Interval whole_line{-infinity, infinity};
constexpr Interval may_be_nan{std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};

inline bool is_nan(Interval u) { return std::isnan(u.lower) || std::isnan(u.upper); }

inline bool is_infinite_constant(Interval u) { return u.lower == u.upper && std::isinf(u.lower); }

/// Whether any of these may be NaN: `count` intervals, `stride` apart.
inline bool is_any_nan(const Interval* first, Index count, Index stride) {
  for (Index i = 0; i < count; ++i)
    if (is_nan(first[i * stride])) return true;
  return false;
}

/// Both ends moved outward by some units in the last place (8 cover a vector_math function and a few roundings), so that
/// rounding cannot leave the interval. A zero end stays: it is exact, or the underflow of a function of one sign.
inline Interval widened(Interval u, int ulps = 8) {
  using limits = std::numeric_limits<double>;
  const double relative = ulps * limits::epsilon();
  if (is_nan(u)) return may_be_nan;
  if (u.lower == infinity) u.lower = limits::max();  // overflow: the number itself is finite
  if (u.upper == -infinity) u.upper = limits::lowest();
  if (u.lower != 0) u.lower -= std::abs(u.lower) * relative + limits::denorm_min();
  if (u.upper != 0) u.upper += std::abs(u.upper) * relative + limits::denorm_min();
  return u;
}

/// Widened, then cut to a range that no value leaves.
inline Interval widened_within(Interval u, double lower, double upper, int ulps = 8) {
  const Interval wide = widened(u, ulps);
  return {std::max(wide.lower, lower), std::min(wide.upper, upper)};
}

inline bool contains(Interval u, double number) { return u.lower <= number && number <= u.upper; }

inline Interval negative(Interval u) { return {-u.upper, -u.lower}; }

inline Interval add(Interval a, Interval b) { return widened({a.lower + b.lower, a.upper + b.upper}, 1); }

Interval multiply(Interval a, Interval b);

/// Encloses offset + sum of w u. Terms with w = 0 are left out, so 0 times an unbounded number is 0 (not times NaN); the rounding
/// of a sum, in whatever order, is covered by the sum of magnitudes.
class WeightedSum {
 public:
  explicit WeightedSum(double offset) : sum_{offset, offset}, magnitude_{std::abs(offset), std::abs(offset)} {}
  void add(double w, Interval u);
  Interval enclosure() const;

 private:
  Interval sum_;
  Interval magnitude_;
  Index n_terms_ = 0;
};

/// The whole line where b contains 0, and may be NaN where a does, too.
Interval divide(Interval a, Interval b);

/// Whether one of the points offset + k period lies in u, or so near that rounding hides which.
bool has_periodic_point(Interval u, double offset, double period);

/// A function at an end of an interval: near it where it is infinite and the function says NaN there (0 u at infinity).
template <class Function>
double at_end(double end, Function function) {
  const double value = function(end);
  return std::isnan(value) && std::isinf(end) ? function(std::copysign(std::numeric_limits<double>::max(), end)) : value;
}

/// The part of u in a function's domain [lower, upper], or may_be_nan where some of u is outside. The rounding of what comes
/// before (ends at 1 that were moved outward) does not count.
inline Interval within_domain(Interval u, double lower, double upper) {
  constexpr double rounding = 64 * std::numeric_limits<double>::epsilon();
  if (!(u.lower >= lower - rounding * std::abs(lower) && u.upper <= upper + rounding * std::abs(upper))) return may_be_nan;
  return {std::clamp(u.lower, lower, upper), std::clamp(u.upper, lower, upper)};
}

/// Smallest and largest value of a function over an interval: at its ends or at a turning point inside. Not widened.
template <class Function>
Interval extremes(Interval u, std::initializer_list<double> turning_points, Function function) {
  const double at_lower = at_end(u.lower, function);
  const double at_upper = at_end(u.upper, function);
  Interval v{std::min(at_lower, at_upper), std::max(at_lower, at_upper)};
  for (const double point : turning_points) {
    if (!contains(u, point)) continue;
    v.lower = std::min(v.lower, function(point));
    v.upper = std::max(v.upper, function(point));
  }
  return v;
}

}  // namespace fastexpr::interval
