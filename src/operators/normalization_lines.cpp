#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "operators/interval.hpp"
#include "operators/lane_lines.hpp"
#include "operators/normalization.hpp"

// z_m = c_m / D of a lane whose units are in intervals: bounds, and affine functions below and above. c_m is u_m, or u_m - mean u.
// With k = n, or n - 1 where the mean is subtracted, D^2 >= c_m^2 / k + epsilon: so |z_m| <= sqrt k, and
//   h(c) = c / sqrt(c^2 / k + epsilon), which is concave for c >= 0, lies above z there.

namespace fastexpr {

namespace {

constexpr double epsilon_of_double = std::numeric_limits<double>::epsilon();
constexpr Index most_links = Index{1} << 20;  // each takes some hundred bytes

double least_square(Interval u) { return u.lower > 0 ? u.lower * u.lower : u.upper < 0 ? u.upper * u.upper : 0.0; }
double largest_square(Interval u) { return std::max(u.lower * u.lower, u.upper * u.upper); }

/// slope c + offset over [c.lower, c.upper].
struct Line {
  double slope, offset;
};

/// Above z over c: the lower one, in the middle, of a chord and a line that touches h.
Line line_above(Interval c, double least_inverse, double largest_inverse, double k, double epsilon) {
  const auto chorded = [&](double end) { return end * (end >= 0 ? largest_inverse : least_inverse); };
  const auto curved = [&](double end) { return end >= 0 ? end / std::sqrt(end * end / k + epsilon) : end * least_inverse; };
  const double width = c.upper - c.lower, middle = 0.5 * c.lower + 0.5 * c.upper;
  const auto through_ends = [&](const auto& function) {
    const double slope = width > 0 ? std::max((function(c.upper) - function(c.lower)) / width, 0.0) : 0.0;
    return Line{slope, std::max(function(c.lower) - slope * c.lower, function(c.upper) - slope * c.upper)};
  };
  const Line chord = through_ends(chorded);
  if (!(epsilon > 0) || !(k > 0)) return chord;
  Line touching = through_ends(curved);
  if (c.upper > 0 && touching.slope > 0) {
    const double root = std::cbrt(epsilon / touching.slope);
    const double square = k * (root * root - epsilon);  // h' is the slope there
    const double start = std::max(c.lower, 0.0), at = std::clamp(square > 0 ? std::sqrt(square) : 0.0, start, c.upper);
    touching.offset = std::max({touching.offset, curved(start) - touching.slope * start, curved(at) - touching.slope * at});
  }
  return touching.slope * middle + touching.offset < chord.slope * middle + chord.offset ? touching : chord;
}

}  // namespace

Normalization::Spread Normalization::spread_of(const std::vector<Interval>& lane) const {
  const auto n = static_cast<double>(lane.size());
  const double relative = (n + 16) * epsilon_of_double;
  Spread spread{lane, {0, 0}, false};
  double lower = 0, upper = 0, magnitude = 0, highest = -interval::infinity, lowest = interval::infinity;
  for (const Interval u : lane) {
    lower += u.lower, upper += u.upper;
    magnitude += std::max(std::abs(u.lower), std::abs(u.upper));
    highest = std::max(highest, is_centred_ ? u.lower : std::abs(std::clamp(0.0, u.lower, u.upper)));
    lowest = std::min(lowest, is_centred_ ? u.upper : 0.0);
  }
  const bool are_finite = std::isfinite(magnitude);
  for (Interval& u : spread.deviations) {
    if (is_centred_ && !are_finite) u = interval::whole_line;
    if (is_centred_ && are_finite) {
      const double margin = relative * (std::max(std::abs(u.lower), std::abs(u.upper)) + magnitude / n);
      const Interval others{(lower - u.lower) / n, (upper - u.upper) / n};
      u = {u.lower * (1.0 - 1.0 / n) - others.upper - margin, u.upper * (1.0 - 1.0 / n) - others.lower + margin};
    }
    spread.variance.lower += least_square(u) / n;
    spread.variance.upper += largest_square(u) / n;
  }
  spread.variance.lower *= 1.0 - relative;
  spread.variance.upper *= 1.0 + relative;
  spread.may_vanish = epsilon_ == 0 && highest <= lowest;
  return spread;
}

double Normalization::largest(double deviation, const Spread& spread) const {
  if (deviation < 0) return deviation / std::sqrt(spread.variance.upper + epsilon_);
  const double k = static_cast<double>(members()) - (is_centred_ ? 1.0 : 0.0);
  constexpr double huge = 1e150;
  if (deviation > huge) return std::sqrt(k);
  const double square = std::max(k > 0 ? deviation * deviation / k : 0.0, spread.variance.lower) + epsilon_;
  return square > 0 ? std::min(deviation / std::sqrt(square), std::sqrt(k)) : std::sqrt(k);
}

void Normalization::bounds(const Interval* const* inputs, Interval* output) const {
  const Index inner = groups().inner;
  const auto n = static_cast<double>(members());
  const double rounding = (2 * n + 32) * std::sqrt(n) * epsilon_of_double;
  std::vector<Interval> lane(static_cast<std::size_t>(members()));
  for (Index l = 0; l < n_lanes(); ++l) {
    bool is_known = true;
    for (std::size_t m = 0; m < lane.size(); ++m) {
      lane[m] = inputs[0][first_of(l) + static_cast<Index>(m) * inner];
      is_known = is_known && !interval::is_nan(lane[m]) && !interval::is_infinite_constant(lane[m]);
    }
    const Spread spread = is_known ? spread_of(lane) : Spread{};
    for (std::size_t m = 0; m < lane.size(); ++m) {
      Interval& bound = output[first_of(l) + static_cast<Index>(m) * inner];
      if (!is_known || spread.may_vanish) {
        bound = interval::may_be_nan;
        continue;
      }
      const Interval z{-largest(-spread.deviations[m].lower, spread) - rounding,
                       largest(spread.deviations[m].upper, spread) + rounding};
      const Interval scaled = interval::multiply(z, {scale_[m], scale_[m]});
      bound = interval::widened(interval::add(scaled, {bias_[m], bias_[m]}));
    }
  }
}

std::vector<Link> Normalization::links() const {
  if (size() * members() > most_links) return {};
  const auto first_of_lane = [this](Index unit) {
    const Index inner = groups().inner;
    return unit / (members() * inner) * members() * inner + unit % inner;
  };
  return lane_lines::links(size(), members(), groups().inner, first_of_lane);
}

void Normalization::lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
                          Index points) const {
  Operator::lines(inputs, output, below, above, points);
  if (below.links == 0) return;
  const auto n = static_cast<double>(members());
  const double k = n - (is_centred_ ? 1.0 : 0.0), shared = is_centred_ ? -1.0 / n : 0.0;
  for (Index l = 0; l < n_lanes(); ++l)
    for (Index p = 0; p < points; ++p) {
      const lane_lines::Lane u = lane_lines::lane(inputs[0], first_of(l), groups().inner, members(), p, points);
      if (!std::all_of(u.begin(), u.end(), [](Interval i) { return std::isfinite(i.lower) && std::isfinite(i.upper); })) continue;
      const Spread spread = spread_of(u);
      const double least = 1.0 / std::sqrt(spread.variance.upper + epsilon_);
      const double most = 1.0 / std::sqrt(spread.variance.lower + epsilon_);
      if (!std::isfinite(most) || !(least > 0)) continue;
      for (Index m = 0; m < members(); ++m) {
        const Interval c = spread.deviations[static_cast<std::size_t>(m)];
        const Line high = line_above(c, least, most, k, epsilon_);
        const Line low = line_above({-c.upper, -c.lower}, least, most, k, epsilon_);  // of -z over -c
        const double scale = scale_[static_cast<std::size_t>(m)], bias = bias_[static_cast<std::size_t>(m)];
        const auto put = [&](const Line& line, double sign, const Lines& lines, double guarded) {
          lane_lines::Plane plane{std::vector<double>(u.size(), scale * line.slope * shared), scale * sign * line.offset + bias};
          plane.slopes[static_cast<std::size_t>(m)] += scale * line.slope;
          lane_lines::guard(plane, u, guarded);
          lane_lines::put(plane, first_of(l) + m * groups().inner, p, points, lines);
        };
        put(scale >= 0 ? low : high, scale >= 0 ? -1.0 : 1.0, below, -1.0);
        put(scale >= 0 ? high : low, scale >= 0 ? 1.0 : -1.0, above, 1.0);
      }
    }
}

}  // namespace fastexpr
