#include "tape/operation.hpp"

#include <cmath>

namespace fastexpr::tape {

namespace {

double sech2(double a) {
  const double e = std::exp(-2.0 * std::fabs(a));
  return 4.0 * e / ((1.0 + e) * (1.0 + e));
}

/// x^n for whole n by squaring: two to four multiplications for what models contain.
double whole_power(double x, int n) {
  double result = 1.0;
  for (unsigned rest = static_cast<unsigned>(n < 0 ? -n : n); rest != 0; rest >>= 1) {
    if (rest & 1u) result *= x;
    x *= x;
  }
  return n < 0 ? 1.0 / result : result;
}

double power(double a, double b) {
  constexpr double most = 16.0;
  if (std::fabs(b) <= most && b == std::floor(b)) return whole_power(a, static_cast<int>(b));
  return std::pow(a, b);
}

double times_log(double factor, double a) { return factor == 0.0 ? 0.0 : factor * std::log(a); }

}  // namespace

double evaluate(Operation operation, double a, double b, double c) {
  switch (operation) {
    case Operation::reciprocal:
      return 1.0 / a;
    case Operation::sqrt:
      return std::sqrt(a);
    case Operation::exp:
      return std::exp(a);
    case Operation::log:
      return std::log(a);
    case Operation::log10:
      return std::log10(a);
    case Operation::sin:
      return std::sin(a);
    case Operation::cos:
      return std::cos(a);
    case Operation::tan:
      return std::tan(a);
    case Operation::asin:
      return std::asin(a);
    case Operation::acos:
      return std::acos(a);
    case Operation::atan:
      return std::atan(a);
    case Operation::sinh:
      return std::sinh(a);
    case Operation::cosh:
      return std::cosh(a);
    case Operation::tanh:
      return std::tanh(a);
    case Operation::asinh:
      return std::asinh(a);
    case Operation::acosh:
      return std::acosh(a);
    case Operation::atanh:
      return std::atanh(a);
    case Operation::abs:
      return std::fabs(a);
    case Operation::ceil:
      return std::ceil(a);
    case Operation::floor:
      return std::floor(a);
    case Operation::sign:
      return a > 0.0 ? 1.0 : (a < 0.0 ? -1.0 : a);
    case Operation::sech2:
      return sech2(a);
    case Operation::power:
      return power(a, b);
    case Operation::power_da:
      return b == 0.0 ? 0.0 : b * power(a, b - 1.0);
    case Operation::power_db:
      return times_log(power(a, b), a);
    case Operation::power_daa:
      return b == 0.0 || b == 1.0 ? 0.0 : b * (b - 1.0) * power(a, b - 2.0);
    case Operation::power_dab: {
      const double p = power(a, b - 1.0);
      return p + times_log(b * p, a);
    }
    case Operation::power_dbb:
      return times_log(times_log(power(a, b), a), a);
    case Operation::minimum:
      return b < a || std::isnan(b) ? b : a;
    case Operation::maximum:
      return b > a || std::isnan(b) ? b : a;
    case Operation::less:
      return a < b ? 1.0 : 0.0;
    case Operation::less_equal:
      return a <= b ? 1.0 : 0.0;
    case Operation::equal:
      return a == b ? 1.0 : 0.0;
    case Operation::both:
      return a != 0.0 && b != 0.0 ? 1.0 : 0.0;
    case Operation::select:
      return a != 0.0 ? b : c;
    default:
      return std::nan("");
  }
}

}  // namespace fastexpr::tape
