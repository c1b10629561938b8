#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/broadcast.hpp"
#include "operators/interval.hpp"

namespace fastexpr {

namespace {

double largest(Interval u) { return std::max(std::abs(u.lower), std::abs(u.upper)); }

/// For the rounding of the planes' own numbers, and of phi.
double margin(const Plane& plane, Interval a, Interval b, double value) {
  constexpr double relative = 64 * std::numeric_limits<double>::epsilon();
  return relative * (std::abs(plane.a) * largest(a) + std::abs(plane.b) * largest(b) + std::abs(plane.offset) + value) +
         std::numeric_limits<double>::min();
}

bool is_finite(const Plane& plane) { return std::isfinite(plane.a) && std::isfinite(plane.b) && std::isfinite(plane.offset); }

bool is_finite(Interval u) { return std::isfinite(u.lower) && std::isfinite(u.upper); }

}  // namespace

std::vector<Link> Broadcast::links() const {
  std::vector<Link> links;
  for (Index i = 0; i < size() && has_planes(); ++i) {
    links.push_back({i, 0, unit_of(0, i)});
    links.push_back({i, 1, unit_of(1, i)});
  }
  return links;
}

void Broadcast::lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
                      Index points) const {
  Operator::lines(inputs, output, below, above, points);
  if (!has_planes()) return;
  for (Index i = 0; i < size(); ++i)
    for (Index p = 0; p < points; ++p) {
      const Index at_a = unit_of(0, i) * points + p, at_b = unit_of(1, i) * points + p, at = i * points + p;
      const Interval a{inputs[0].lower[at_a], inputs[0].upper[at_a]}, b{inputs[1].lower[at_b], inputs[1].upper[at_b]};
      const Interval v{output.lower[at], output.upper[at]};
      Plane low{}, high{};
      if (!is_finite(a) || !is_finite(b) || !is_finite(v) || !planes(a, b, low, high)) continue;
      low.offset -= margin(low, a, b, largest(v));
      high.offset += margin(high, a, b, largest(v));
      if (!is_finite(low) || !is_finite(high)) continue;
      const Index first = 2 * i * points + p, second = first + points;
      below.slopes[first] = low.a, below.slopes[second] = low.b, below.offsets[at] = low.offset;
      above.slopes[first] = high.a, above.slopes[second] = high.b, above.offsets[at] = high.offset;
    }
}

bool product_planes(Interval a, Interval b, Plane& below, Plane& above) {
  const double a_middle = 0.5 * a.lower + 0.5 * a.upper, b_middle = 0.5 * b.lower + 0.5 * b.upper;
  const double gap = (0.5 * a.upper - 0.5 * a.lower) * (0.5 * b.upper - 0.5 * b.lower);
  below = {b_middle, a_middle, -a_middle * b_middle - gap};
  above = {b_middle, a_middle, -a_middle * b_middle + gap};
  return true;
}

Plane largest_above(Interval a, Interval b) {
  const double lowest = a.lower - b.upper, highest = a.upper - b.lower;  // of a - b
  if (lowest >= 0) return {1, 0, 0};
  if (highest <= 0) return {0, 1, 0};
  const double share = highest / (highest - lowest);
  return {share, 1 - share, -share * lowest};
}

Plane largest_below(Interval a, Interval b) { return a.upper - b.lower > b.upper - a.lower ? Plane{1, 0, 0} : Plane{0, 1, 0}; }

}  // namespace fastexpr
