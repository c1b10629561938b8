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
  return hull(product(a.lower, b.lower), product(a.lower, b.upper), product(a.upper, b.lower), product(a.upper, b.upper));
}

Interval divide(Interval a, Interval b) {
  if (contains(b, 0)) return whole_line;
  return hull(a.lower / b.lower, a.lower / b.upper, a.upper / b.lower, a.upper / b.upper);
}

}  // namespace fastexpr::interval
