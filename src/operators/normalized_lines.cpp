#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/lane_lines.hpp"
#include "operators/normalized.hpp"

// q_m = u_m - log sum exp(u) is concave; softmax is p = exp(q).

namespace fastexpr {

namespace {

constexpr Index most_members = 64;  // each unit reads the whole lane: from here on bounds alone

}  // namespace

std::vector<Link> Normalized::links() const {
  if (members() > most_members) return {};
  const auto first_of_lane = [this](Index unit) {
    const Index inner = groups().inner;
    return unit / (members() * inner) * members() * inner + unit % inner;
  };
  return lane_lines::links(size(), members(), groups().inner, first_of_lane);
}

void Normalized::lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
                       Index points) const {
  Operator::lines(inputs, output, below, above, points);
  if (below.links == 0 || members() == 1) return;  // of one member, its constants are exact
  for (Index lane = 0; lane < n_lanes(); ++lane)
    for (Index p = 0; p < points; ++p) {
      const lane_lines::Lane u = lane_lines::lane(inputs[0], first_of(lane), groups().inner, members(), p, points);
      if (!lane_lines::is_moderate(u)) continue;
      const lane_lines::Plane sum_below = lane_lines::log_sum_exp_below(u), sum_above = lane_lines::log_sum_exp_above(u);
      for (Index m = 0; m < members(); ++m) {
        const Index unit = first_of(lane) + m * groups().inner, at = unit * points + p;
        lane_lines::Plane low = lane_lines::minus(sum_above, static_cast<std::size_t>(m));
        lane_lines::Plane high = lane_lines::minus(sum_below, static_cast<std::size_t>(m));
        if (!is_logarithm()) {
          // exp below its chord over the range of p, and above its tangent at the middle of q's.
          const double p_low = std::max(output.lower[at], std::numeric_limits<double>::min()), p_high = output.upper[at];
          const double q_low = std::log(p_low), q_high = std::log(p_high), width = q_high - q_low;
          const double chord = width > 0 ? (p_high - p_low) / width : p_high;
          const double chord_offset = std::max(p_low - chord * q_low, p_high - chord * q_high);
          double q = low.offset;
          for (std::size_t j = 0; j < u.size(); ++j) q += low.slopes[j] * (0.5 * u[j].lower + 0.5 * u[j].upper);
          q = std::clamp(q, q_low, q_high);
          low = lane_lines::scaled(low, std::exp(q), std::exp(q) * (1.0 - q));
          high = lane_lines::scaled(high, chord, chord_offset);
        }
        lane_lines::guard(low, u, -1.0);
        lane_lines::guard(high, u, 1.0);
        lane_lines::put(low, unit, p, points, below);
        lane_lines::put(high, unit, p, points, above);
      }
    }
}

}  // namespace fastexpr
