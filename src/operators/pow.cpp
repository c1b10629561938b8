// Pow: v = a^b, NumPy broadcasting. A negative base needs an integral exponent, otherwise v is NaN.
//   v_a  = b a^(b-1)            v_b  = v log a
//   v_aa = b (b-1) a^(b-2)      v_ab = a^(b-1) (1 + b log a)      v_bb = v (log a)^2
// At the edges the limits are taken: b = 0 and b = 1 have no v_a, v_aa at any a, and 0^b log 0 is 0 for b > 0.
// With a negative base v_b is NaN, which harms only where the exponent depends on x.

#include <algorithm>
#include <cmath>

#include "linalg/vector_math.hpp"
#include "operators/broadcast.hpp"
#include "operators/curve.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

bool is_uniform(const double* b, Index count) {
  for (Index i = 1; i < count; ++i)
    if (b[i] != b[0]) return false;
  return count > 0;
}

/// v = a^(b + shift), by products where all exponents are the same small number. v is not a or b.
void raise(const double* a, const double* b, double shift, double* v, Index count) {
  if (is_uniform(b, count)) {
    const double exponent = b[0] + shift;
    if (exponent == 0.0) return std::fill(v, v + count, 1.0);
    if (exponent == 1.0) return std::copy(a, a + count, v), void();
    if (exponent == 2.0 || exponent == 3.0) {
      for (Index i = 0; i < count; ++i) v[i] = a[i] * a[i];
      for (Index i = 0; i < count && exponent == 3.0; ++i) v[i] *= a[i];
      return;
    }
  }
  for (Index i = 0; i < count; ++i) v[i] = b[i] + shift;
  vector_math::pow(a, v, v, count);
}

/// factor * power, where a factor of zero wins over an infinite power.
double scaled(double factor, double power) { return factor == 0.0 ? 0.0 : factor * power; }

class Pow final : public CurvedBroadcast {
 public:
  explicit Pow(const OperatorSpec& spec) : CurvedBroadcast(spec, {.aa = true, .ab = true, .bb = true}) {}

 private:
  void apply(const double* a, const double* b, double* v, Index count) const override { raise(a, b, 0.0, v, count); }

  void derivatives(const double* a, const double* b, const double* v, const Partials& partials, Index count) const override {
    raise(a, b, -1.0, partials.a, count);
    vector_math::log(a, partials.b, count);
    if (partials.aa != nullptr) {
      raise(a, b, -2.0, partials.aa, count);
      for (Index i = 0; i < count; ++i) {
        const double logarithm = partials.b[i];
        const bool is_vanishing = a[i] == 0.0 && b[i] > 0.0;
        partials.aa[i] = scaled(b[i] * (b[i] - 1.0), partials.aa[i]);
        partials.ab[i] = a[i] == 0.0 && b[i] > 1.0 ? 0.0 : partials.a[i] * (1.0 + scaled(b[i], logarithm));
        partials.bb[i] = is_vanishing ? 0.0 : v[i] * logarithm * logarithm;
      }
    }
    for (Index i = 0; i < count; ++i) {
      partials.a[i] = scaled(b[i], partials.a[i]);
      partials.b[i] = a[i] == 0.0 && b[i] > 0.0 ? 0.0 : v[i] * partials.b[i];
    }
  }

  bool has_planes() const override { return true; }

  /// Of a known exponent: lines of a function of one number.
  bool planes(Interval a, Interval b, Plane& below, Plane& above) const override {
    if (b.lower != b.upper) return false;
    const double exponent = b.lower;
    const Bends bends = bends_of(a, exponent);
    if (!bends.are_known) return false;
    const struct {
      double exponent;
      curve::Sample at(double u) const {
        return {std::pow(u, exponent), exponent == 0 ? 0.0 : exponent * std::pow(u, exponent - 1.0)};
      }
    } power{exponent};
    curve::Samples at{{a.lower, 0.5 * a.lower + 0.5 * a.upper, a.upper}, {}, {}};
    for (std::size_t k = 0; k < 3; ++k) at.value[k] = power.at(at.u[k]).value, at.slope[k] = power.at(at.u[k]).slope;
    const Line low = curve::line_below(power, at, bends), high = curve::line_above(power, at, bends);
    below = {low.slope, 0.0, low.offset}, above = {high.slope, 0.0, high.offset};
    return true;
  }

  static Bends bends_of(Interval a, double exponent) {
    const bool is_whole = exponent == std::floor(exponent);
    if (exponent == 0 || exponent == 1) return Bends::convex();
    if (is_whole && std::fmod(exponent, 2.0) == 0 && (exponent > 0 || !interval::contains(a, 0.0))) return Bends::convex();
    if (is_whole && exponent > 0) return Bends::concave_until(0.0);
    if (is_whole && a.upper < 0) return Bends::concave();
    if (!(a.lower > 0 || (a.lower == 0 && exponent > 0))) return Bends::unknown();
    return exponent > 0 && exponent < 1 ? Bends::concave() : Bends::convex();
  }

  Interval image(Interval a, Interval b) const override {
    if (b.lower == b.upper && b.lower == std::floor(b.lower) && std::isfinite(b.lower)) return whole_power(a, b.lower);
    if (a.lower >= 0) return corners(a, b);
    return interval::may_be_nan;  // not defined below 0
  }

  /// a >= 0: monotone in each variable, so the extremes are at corners.
  static Interval corners(Interval a, Interval b) {
    const double v[4] = {std::pow(a.lower, b.lower), std::pow(a.lower, b.upper), std::pow(a.upper, b.lower),
                         std::pow(a.upper, b.upper)};
    return {*std::min_element(v, v + 4), *std::max_element(v, v + 4)};
  }

  static Interval whole_power(Interval a, double exponent) {
    const bool is_even = std::fmod(exponent, 2.0) == 0.0;
    const double at_lower = std::pow(a.lower, exponent);
    const double at_upper = std::pow(a.upper, exponent);
    const Interval ends{std::min(at_lower, at_upper), std::max(at_lower, at_upper)};
    if (exponent == 0.0 || !interval::contains(a, 0.0)) return ends;
    if (exponent > 0.0) return is_even ? Interval{0.0, ends.upper} : ends;
    return is_even ? Interval{ends.lower, interval::infinity} : interval::whole_line;
  }
};

const Registered<Pow> pow("Pow");

}  // namespace

}  // namespace fastexpr
