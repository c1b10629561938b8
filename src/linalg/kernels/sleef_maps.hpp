#pragma once

#include "linalg/vector_math_kernels.hpp"

// Loops over arrays with SLEEF's vector functions. `Functions` names those of one instruction set. The variants with the error
// bound 3.5 ulp stay below 3 (checked against quadruple precision) and cost half of the 1 ulp ones. What SLEEF does not get
// right over the whole range is put right here.

namespace fastexpr::vector_math {
namespace {

template <class Functions>
struct SleefMaps {
  using Vector = typename Functions::Vector;
  static constexpr Index lanes = sizeof(Vector) / sizeof(double);

  static Vector load(const double* x) {
    Vector v;
    __builtin_memcpy(&v, x, sizeof v);
    return v;
  }
  static void store(double* y, Vector v) { __builtin_memcpy(y, &v, sizeof v); }

  template <Vector (*function)(Vector)>
  static void map(const double* x, double* y, Index count) {
    Index i = 0;
    for (; i + lanes <= count; i += lanes) store(y + i, function(load(x + i)));
    if (i == count) return;
    double rest[lanes] = {};
    for (Index j = 0; i + j < count; ++j) rest[j] = x[i + j];
    store(rest, function(load(rest)));
    for (Index j = 0; i + j < count; ++j) y[i + j] = rest[j];
  }

  static void pow(const double* x, const double* y, double* z, Index count) {
    Index i = 0;
    for (; i + lanes <= count; i += lanes) store(z + i, Functions::pow(load(x + i), load(y + i)));
    if (i == count) return;
    double base[lanes] = {};
    double exponent[lanes] = {};
    for (Index j = 0; i + j < count; ++j) base[j] = x[i + j];
    for (Index j = 0; i + j < count; ++j) exponent[j] = y[i + j];
    store(base, Functions::pow(load(base), load(exponent)));
    for (Index j = 0; i + j < count; ++j) z[i + j] = base[j];
  }

  /// SLEEF's gives infinity above 709.782711, a millionth too early.
  static Vector exp(Vector x) {
    const auto is_huge = x > Vector{} + 709.0;
    const Vector y = Functions::exp(is_huge ? x - 1.0 : x);
    return is_huge ? y * 2.718281828459045 : y;
  }

  /// SLEEF reduces all numbers of a vector to a period as the largest of them needs it, so that an answer depends on its
  /// neighbours in the last digit; and from 1e9 to 1e14 its reduction loses digits near multiples of pi.
  template <Vector (*function)(Vector), double (*of_far)(double)>
  static Vector periodic(Vector x) {
    const Vector zero = {};
    const Vector size = x < zero ? -x : x;
    const auto is_near = size < zero + 15.0;  // SLEEF's own bound
    const Vector y = function(is_near ? x : zero);
    if (is_everywhere(is_near)) return y;
    const auto is_between = (size >= zero + 15.0) & (size <= zero + far);
    Vector z = is_near ? y : function(is_between ? x : zero + 15.0);
    for (Index i = 0; i < lanes; ++i)
      if (!(size[i] <= far)) z[i] = of_far(x[i]);
    return z;
  }
  template <class Mask>
  static bool is_everywhere(Mask mask) {
    long together = -1;
    for (Index i = 0; i < lanes; ++i) together &= mask[i];
    return together != 0;
  }

  /// SLEEF's gives infinity above 1e307: there log1p(x) = log1p(x / 2^100) + 100 log 2. It rounds subnormal numbers once more.
  static Vector log1p(Vector x) {
    const Vector zero = {};
    const auto is_huge = x > zero + 1e300;
    const auto is_tiny = (x < zero ? -x : x) < zero + 1e-300;
    const Vector y = Functions::log1p(is_huge ? x * 0x1p-100 : x);
    return is_tiny ? x : (is_huge ? y + 69.314718055994530942 : y);
  }

  static Vector exp_of_minus_abs(Vector x) { return Functions::exp(x > Vector{} ? -x : x); }

  static Vector sigmoid(Vector x) {
    const Vector e = exp_of_minus_abs(x);
    return (x > Vector{} ? Vector{} + 1.0 : e) / (1.0 + e);
  }

  static Vector softplus(Vector x) {
    const Vector zero = {};
    return (x < zero ? zero : x) + Functions::log1p(exp_of_minus_abs(x));
  }

  static constexpr Kernels kernels() {
    return {
        .exp = map<exp>,
        .expm1 = map<Functions::expm1>,
        .log = map<Functions::log>,
        .log1p = map<log1p>,
        .sin = map<periodic<Functions::sin, sin_of_far>>,
        .cos = map<periodic<Functions::cos, cos_of_far>>,
        .tanh = map<Functions::tanh>,
        .erf = map<Functions::erf>,
        .erfc = map<Functions::erfc>,
        .sigmoid = map<sigmoid>,
        .softplus = map<softplus>,
        .pow = pow,
    };
  }
};

}  // namespace
}  // namespace fastexpr::vector_math
