#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "operators/elementwise.hpp"

// Lines below a function g of one number over an interval, from where it is convex and where concave (Bends). A line above g is
// minus one below -g.
//
// Whatever the slope s, the offset is the least g(u) - s u of the interval. That is found at its ends, at the turns, and inside
// convex pieces, where two tangents enclose it: so a slope that is only nearly the best costs tightness, never soundness.

namespace fastexpr::curve {

/// An interval with g and g' at its ends and in its middle.
struct Samples {
  std::array<double, 3> u, value, slope;  // lower end, middle, upper end

  double width() const { return u[2] - u[0]; }
  Samples negative() const {
    Samples result = *this;
    for (std::size_t k = 0; k < 3; ++k) result.value[k] = -value[k], result.slope[k] = -slope[k];
    return result;
  }
};

/// g and g' at one place: what a Function gives by at(u).
struct Sample {
  double value, slope;
};

template <class Function>
struct Negative {
  const Function& g;
  Sample at(double u) const {
    const Sample sample = g.at(u);
    return {-sample.value, -sample.slope};
  }
};

/// What is taken off an offset for the rounding of values (4 ulp of vector math), slopes (3e-14) and the line itself.
inline double margin(double slope, double largest_u, double largest_value, double width) {
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  return 1e-13 * std::abs(slope) * width + 16 * epsilon * (std::abs(slope) * largest_u + largest_value) +
         std::numeric_limits<double>::min();
}

/// g(u) - s u and its slope, at u.
struct Tilted {
  double u, value, slope;
};

template <class Function>
Tilted tilted(const Function& g, double s, double u) {
  const Sample sample = g.at(u);
  return {u, sample.value - s * u, sample.slope - s};
}

/// Where two tangents cross, the one falling and the other rising: not above what is convex between them.
inline double crossing(const Tilted& a, const Tilted& b) {
  if (!(a.slope < b.slope)) return std::min(a.value, b.value) - std::abs(a.slope) * (b.u - a.u);
  const double meet = (b.value - a.value - b.slope * (b.u - a.u)) / (a.slope - b.slope);
  return std::min({a.value, b.value, a.value + a.slope * std::clamp(meet, 0.0, b.u - a.u)});
}

/// Encloses the least g(u) - s u of a convex piece [p, q] from below. `hint`: about where it is.
template <class Function>
double lowest_of_convex(const Function& g, double s, double p, double q, const double (&hint)[2]) {
  // Slopes at the very ends may be those of the neighbouring piece.
  const double inset = 1e-9 * (q - p);
  if (!(p + inset < q - inset)) {
    const Tilted a = tilted(g, s, p), b = tilted(g, s, q);
    return std::min(a.value, b.value) - (q - p) * (std::abs(a.slope) + std::abs(b.slope));
  }
  Tilted a = tilted(g, s, std::clamp(hint[0], p + inset, q - inset));
  Tilted b = tilted(g, s, std::clamp(hint[1], p + inset, q - inset));
  if (!(a.slope <= 0)) a = tilted(g, s, p + inset);
  if (!(b.slope >= 0)) b = tilted(g, s, q - inset);
  if (a.slope >= 0) return a.value - a.slope * (a.u - p);
  if (b.slope <= 0) return b.value + b.slope * (q - b.u);
  const bool is_near = a.u >= hint[0] && b.u <= hint[1];
  for (int step = 0; step < (is_near ? 2 : 16); ++step) {
    const Tilted c = tilted(g, s, 0.5 * (a.u + b.u));
    (c.slope <= 0 ? a : b) = c;
  }
  return crossing(a, b);
}

/// The line of this slope; `breaks` are the ends of pieces, the first one convex where `starts_convex`.
template <class Function>
Line with_offset(const Function& g, const Samples& at, double s, const double* breaks, int pieces, bool starts_convex,
                 const double (&hint)[2]) {
  double offset = std::min(at.value[0] - s * at.u[0], at.value[2] - s * at.u[2]);
  for (int k = 1; k < pieces; ++k) offset = std::min(offset, tilted(g, s, breaks[k]).value);
  for (int k = 0; k < pieces; ++k)
    if (starts_convex == (k % 2 == 0)) offset = std::min(offset, lowest_of_convex(g, s, breaks[k], breaks[k + 1], hint));
  return {s, offset};
}

/// The slope of the line through `anchor`, an end of the interval in a concave piece, that touches the convex piece between the
/// turn and the other end; or the chord, where that lies below. `hint` encloses the place, about.
template <class Function>
double touching_slope(const Function& g, double anchor, double value, double turn, double end, double (&hint)[2]) {
  const auto overshoot = [&](double t, const Sample& sample) { return sample.value + sample.slope * (anchor - t) - value; };
  double low = end, high = turn + 1e-9 * (end - turn);  // overshoot below and above 0
  Sample touched = g.at(end);
  double t = end, at_low = overshoot(end, touched);
  if (at_low < 0) {
    double at_high = overshoot(high, g.at(high));
    int side = 0;
    for (int step = 0; step < 6; ++step) {  // regula falsi, the Illinois way
      t = at_high > at_low ? low + (high - low) * (-at_low / (at_high - at_low)) : 0.5 * (low + high);
      touched = g.at(t);
      const double found = overshoot(t, touched);
      if (found < 0) {
        if (side < 0) at_high *= 0.5;
        low = t, at_low = found, side = -1;
      } else {
        if (side > 0) at_low *= 0.5;
        high = t, at_high = found, side = 1;
      }
      if (std::abs(found) <= 1e-6 * std::abs(touched.slope * (anchor - t))) break;
    }
  }
  const double near = 0.02 * (anchor - turn);  // towards either side of t
  hint[0] = t - std::abs(near), hint[1] = t + std::abs(near);
  return (value - touched.value) / (anchor - t);
}

inline double chord(const Samples& at) { return at.width() > 0 ? (at.value[2] - at.value[0]) / at.width() : at.slope[1]; }

inline Line chord_below(const Samples& at) {
  const double s = chord(at);
  return {s, std::min(at.value[0] - s * at.u[0], at.value[2] - s * at.u[2])};
}

/// Lines below and above a function that bends one way everywhere: its tangent in the middle, and its chord. `is_straight`: made
/// of straight pieces, so that what is 0 with its slopes is 0 exactly, and nothing that has underflown.
inline void lines_of_one_bend(const Samples& at, bool is_convex, bool is_straight, Line& below, Line& above) {
  const bool is_zero = at.value[0] == 0 && at.value[1] == 0 && at.value[2] == 0 && at.slope[0] == 0 && at.slope[2] == 0;
  if (is_straight && is_zero) {
    below = above = {0.0, 0.0};
    return;
  }
  const double s = chord(at), t = at.slope[1], side = is_convex ? 1.0 : -1.0;
  const double left = at.value[0] - s * at.u[0], right = at.value[2] - s * at.u[2];
  const double largest_u = std::max(std::abs(at.u[0]), std::abs(at.u[2]));
  const double largest_value = std::max({std::abs(at.value[0]), std::abs(at.value[1]), std::abs(at.value[2])});
  const Line through{
      s, (is_convex ? std::max(left, right) : std::min(left, right)) + side * margin(s, largest_u, largest_value, at.width())};
  const Line touching{t, at.value[1] - t * at.u[1] - side * margin(t, largest_u, largest_value, at.width())};
  below = is_convex ? touching : through, above = is_convex ? through : touching;
}

/// Of two turns: the best of a few slopes, judged in the middle.
template <class Function>
Line best_of_slopes(const Function& g, const Samples& at, const double* breaks, int pieces, bool starts_convex) {
  Line best{0.0, -std::numeric_limits<double>::infinity()};
  for (const double s : {chord(at), at.slope[1], at.slope[0], at.slope[2], 0.0}) {
    if (!std::isfinite(s)) continue;
    const double anywhere[2] = {at.u[0], at.u[2]};
    const Line line = with_offset(g, at, s, breaks, pieces, starts_convex, anywhere);
    if (line.slope * at.u[1] + line.offset > best.slope * at.u[1] + best.offset) best = line;
  }
  return best;
}

/// A line below g, without its margin.
template <class Function>
Line unguarded_line(const Function& g, const Samples& at, const Bends& bends) {
  double breaks[4] = {at.u[0], at.u[2], at.u[2], at.u[2]};
  int pieces = 1;
  bool starts_convex = bends.starts_convex;
  for (const double turn : bends.turns) {
    if (turn <= at.u[0]) starts_convex = !starts_convex;
    if (turn > at.u[0] && turn < at.u[2]) breaks[pieces++] = turn;
  }
  breaks[pieces] = at.u[2];
  if (pieces == 1) {
    if (!starts_convex) return chord_below(at);
    return {at.slope[1], at.value[1] - at.slope[1] * at.u[1]};
  }
  if (pieces > 2) return best_of_slopes(g, at, breaks, pieces, starts_convex);
  double hint[2] = {at.u[0], at.u[2]};
  const double s = starts_convex ? touching_slope(g, at.u[2], at.value[2], breaks[1], at.u[0], hint)
                                 : touching_slope(g, at.u[0], at.value[0], breaks[1], at.u[2], hint);
  return with_offset(g, at, s, breaks, pieces, starts_convex, hint);
}

/// A line below g; not finite where there is none.
template <class Function>
Line line_below(const Function& g, const Samples& at, const Bends& bends) {
  Line line = unguarded_line(g, at, bends);
  const double largest_u = std::max(std::abs(at.u[0]), std::abs(at.u[2]));
  const double largest_value = std::max({std::abs(at.value[0]), std::abs(at.value[1]), std::abs(at.value[2])});
  line.offset -= margin(line.slope, largest_u, largest_value, at.width());
  return line;
}

template <class Function>
Line line_above(const Function& g, const Samples& at, const Bends& bends) {
  const Line line = line_below(Negative<Function>{g}, at.negative(), bends.negative());
  return {-line.slope, -line.offset};
}

}  // namespace fastexpr::curve
