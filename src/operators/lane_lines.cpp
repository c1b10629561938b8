#include "operators/lane_lines.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace fastexpr::lane_lines {

namespace {

double middle(Interval u) { return 0.5 * u.lower + 0.5 * u.upper; }

double largest_middle(const Lane& u) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const Interval unit : u) largest = std::max(largest, middle(unit));
  return largest;
}

/// The tangent in the middle of a convex function with this value and these slopes there.
Plane tangent(const Lane& u, double value, std::vector<double> slopes) {
  Plane plane{std::move(slopes), value};
  for (std::size_t j = 0; j < u.size(); ++j) plane.offset -= plane.slopes[j] * middle(u[j]);
  guard(plane, u, -1.0);
  return plane;
}

}  // namespace

bool is_moderate(const Lane& u) {
  constexpr double most = 300.0;  // exp of it, squared, is finite
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  for (const Interval unit : u) {
    if (!std::isfinite(unit.lower) || !std::isfinite(unit.upper)) return false;
    lowest = std::min(lowest, unit.lower), highest = std::max(highest, unit.upper);
  }
  return highest - lowest < most;
}

void guard(Plane& plane, const Lane& u, double sign) {
  double magnitude = std::abs(plane.offset);
  for (std::size_t j = 0; j < u.size(); ++j)
    magnitude += std::abs(plane.slopes[j]) * std::max(std::abs(u[j].lower), std::abs(u[j].upper));
  const auto count = static_cast<double>(u.size());
  plane.offset += sign * ((64 + 8 * count) * std::numeric_limits<double>::epsilon() * (magnitude + 1.0));
}

Plane log_sum_exp_below(const Lane& u) {
  const double shift = largest_middle(u);
  std::vector<double> p;
  double sum = 0;
  for (const Interval unit : u) p.push_back(std::exp(middle(unit) - shift)), sum += p.back();
  for (double& slope : p) slope /= sum;
  return tangent(u, shift + std::log(sum), std::move(p));
}

Plane log_sum_exp_above(const Lane& u) {
  const double shift = largest_middle(u);
  Plane plane;
  double constant = 0, sum = 0;  // of the chords: constant + slopes . u, and that in the middle
  for (const Interval unit : u) {
    const double low = std::exp(unit.lower - shift), high = std::exp(unit.upper - shift), width = unit.upper - unit.lower;
    const double slope = width > 0 ? (high - low) / width : high;
    const double offset = std::max(low - slope * unit.lower, high - slope * unit.upper);
    plane.slopes.push_back(slope);
    constant += offset, sum += offset + slope * middle(unit);
  }
  for (double& slope : plane.slopes) slope /= sum;
  plane.offset = shift + std::log(sum) + constant / sum - 1.0;
  guard(plane, u, 1.0);
  return plane;
}

Plane norm_below(const Lane& u) {
  double square = 0;
  for (const Interval unit : u) square += middle(unit) * middle(unit);
  const double norm = std::sqrt(square);
  std::vector<double> slopes;
  for (const Interval unit : u) slopes.push_back(norm > 0 ? middle(unit) / norm : 0.0);
  return tangent(u, norm, std::move(slopes));
}

Plane norm_above(const Lane& u) {
  Plane plane;
  double constant = 0, sum = 0;
  for (const Interval unit : u) {
    const double slope = unit.lower + unit.upper, offset = -unit.lower * unit.upper;  // u^2 below its chord
    plane.slopes.push_back(slope);
    constant += offset, sum += offset + slope * middle(unit);
  }
  const double root = std::sqrt(sum);
  const double factor = sum > 0 ? 0.5 / root : 0.0;
  for (double& slope : plane.slopes) slope *= factor;
  plane.offset = root + factor * (constant - sum);
  guard(plane, u, 1.0);
  return plane;
}

Plane minus(const Plane& plane, std::size_t m) {
  Plane result = scaled(plane, -1.0, 0.0);
  result.slopes[m] += 1.0;
  return result;
}

Plane scaled(const Plane& plane, double factor, double constant) {
  Plane result = plane;
  for (double& slope : result.slopes) slope *= factor;
  result.offset = factor * plane.offset + constant;
  return result;
}

Lane lane(const IntervalBlock& block, Index first, Index inner, Index members, Index p, Index points) {
  Lane result;
  for (Index m = 0; m < members; ++m) {
    const Index at = (first + m * inner) * points + p;
    result.push_back({block.lower[at], block.upper[at]});
  }
  return result;
}

void put(const Plane& plane, Index unit, Index p, Index points, const Lines& lines) {
  const auto members = static_cast<Index>(plane.slopes.size());
  for (Index m = 0; m < members; ++m) lines.slopes[(unit * members + m) * points + p] = plane.slopes[static_cast<std::size_t>(m)];
  lines.offsets[unit * points + p] = plane.offset;
}

}  // namespace fastexpr::lane_lines
