#include "operators/interval.hpp"

namespace fastexpr::interval {

namespace {

/// The hull of four numbers, of which NaN (inf / inf) says nothing that the others do not.
Interval hull(double a, double b, double c, double d) {
  const double lower = std::fmin(std::fmin(a, b), std::fmin(c, d));
  const double upper = std::fmax(std::fmax(a, b), std::fmax(c, d));
  return widened({lower, upper}, 1);
}

/// 0 * inf = 0: the infinite end is never reached.
double product(double a, double b) { return a == 0 || b == 0 ? 0.0 : a * b; }

}  // namespace

Interval multiply(Interval a, Interval b) {
  const bool is_zero_times_infinity = (is_infinite_constant(a) && contains(b, 0)) || (is_infinite_constant(b) && contains(a, 0));
  if (is_nan(a) || is_nan(b) || is_zero_times_infinity) return may_be_nan;
  return hull(product(a.lower, b.lower), product(a.lower, b.upper), product(a.upper, b.lower), product(a.upper, b.upper));
}

Interval divide(Interval a, Interval b) {
  if (is_nan(a) || is_nan(b) || (contains(a, 0) && contains(b, 0))) return may_be_nan;
  if (contains(b, 0)) return whole_line;
  return hull(a.lower / b.lower, a.lower / b.upper, a.upper / b.lower, a.upper / b.upper);
}

void WeightedSum::add(double w, Interval u) {
  if (w == 0 && !is_nan(u) && !is_infinite_constant(u)) return;
  const Interval term = w > 0 ? Interval{w * u.lower, w * u.upper} : Interval{w * u.upper, w * u.lower};
  sum_ = {sum_.lower + term.lower, sum_.upper + term.upper};
  magnitude_ = {magnitude_.lower + std::abs(term.lower), magnitude_.upper + std::abs(term.upper)};
  ++n_terms_;
}

Interval WeightedSum::enclosure() const {
  const double epsilon = static_cast<double>(n_terms_ + 2) * std::numeric_limits<double>::epsilon();
  Interval sum = sum_;
  if (std::isfinite(magnitude_.lower)) sum.lower -= magnitude_.lower * epsilon;
  if (std::isfinite(magnitude_.upper)) sum.upper += magnitude_.upper * epsilon;
  return widened(sum);
}

bool has_periodic_point(Interval u, double offset, double period) {
  constexpr double doubt = 1e-6;
  constexpr double too_far = 1e6;  // where the position within a period is in doubt, too
  if (!(u.lower > -too_far && u.upper < too_far)) return true;
  const double next = std::ceil((u.lower - doubt - offset) / period) * period + offset;
  return next <= u.upper + doubt;
}

}  // namespace fastexpr::interval
