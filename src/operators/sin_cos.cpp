// Sin: v = sin(u)    s' = cos(u)     s'' = -v
// Cos: v = cos(u)    s' = -sin(u)    s'' = -v

#include <cmath>
#include <numbers>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

bool has_point(Interval u, double offset) { return interval::has_periodic_point(u, offset, 2.0 * std::numbers::pi); }

Interval wave_image(double at_lower, double at_upper, bool has_top, bool has_bottom) {
  return {has_bottom ? -1.0 : std::min(at_lower, at_upper), has_top ? 1.0 : std::max(at_lower, at_upper)};
}

/// A wave turns where it is 0: at `zero` and every half period from there. Right of its own zero Sin is concave, Cos convex.
Bends wave_bends(Interval u, double zero) {
  constexpr double too_far = 1e6;  // where the position within a period is in doubt
  if (!(u.lower > -too_far && u.upper < too_far)) return Bends::unknown();
  const double half_periods = std::floor((u.lower - zero) / std::numbers::pi);
  const auto turn = [&](double k) { return (half_periods + k) * std::numbers::pi + zero; };
  if (u.upper > turn(3.0)) return Bends::unknown();
  const bool is_even = std::fmod(half_periods, 2.0) == 0.0;
  const bool starts_convex = zero == 0.0 ? !is_even : is_even;
  return starts_convex ? Bends::concave_between(turn(1.0), turn(2.0)) : Bends::convex_between(turn(1.0), turn(2.0));
}

class Sin final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::sin(u, v, count); }

  void derivatives(const double* u, const double* v, double* first, double* second, Index count) const override {
    vector_math::cos(u, first, count);
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -v[i];
  }

  Bends bends(Interval u) const override { return wave_bends(u, 0.0); }

  Interval image(Interval u) const override {
    const bool has_top = has_point(u, std::numbers::pi / 2.0);
    return wave_image(std::sin(u.lower), std::sin(u.upper), has_top, has_point(u, -std::numbers::pi / 2.0));
  }
};

class Cos final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::cos(u, v, count); }

  void derivatives(const double* u, const double* v, double* first, double* second, Index count) const override {
    vector_math::sin(u, first, count);
    for (Index i = 0; i < count; ++i) first[i] = -first[i];
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -v[i];
  }

  Bends bends(Interval u) const override { return wave_bends(u, 0.5 * std::numbers::pi); }

  Interval image(Interval u) const override {
    return wave_image(std::cos(u.lower), std::cos(u.upper), has_point(u, 0.0), has_point(u, std::numbers::pi));
  }
};

const Registered<Sin> sin("Sin");
const Registered<Cos> cos("Cos");

}  // namespace

}  // namespace fastexpr
