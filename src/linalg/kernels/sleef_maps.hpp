#pragma once

#include "linalg/kernels/functions.hpp"
#include "linalg/vector_math_kernels.hpp"

// Loops over arrays with SLEEF's vector functions, where we have none of our own. `Functions` names those of one instruction set.
// The variants with the error bound 3.5 ulp stay below 3 (checked against quadruple precision) and cost half of the 1 ulp ones.
// What SLEEF does not get right over the whole range is put right here.

namespace fastexpr::vector_math {
namespace {

template <class Functions>
struct SleefMaps {
  using Vector = typename Functions::Vector;
  static constexpr Index lanes = sizeof(Vector) / sizeof(double);

  static Vector load(const double* x) { return linalg::load<lanes>(x); }
  static void store(double* y, Vector v) { linalg::store<lanes>(y, v); }

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

  static constexpr void fill(Kernels& kernels) {
    kernels.log = map<lanes, Functions::log>;
    kernels.log1p = map<lanes, log1p>;
    kernels.sin = map<lanes, periodic<Functions::sin, sin_of_far>>;
    kernels.cos = map<lanes, periodic<Functions::cos, cos_of_far>>;
    kernels.erf = map<lanes, Functions::erf>;
    kernels.pow = pow;
  }
};

/// A build without SLEEF.
struct NoSleef {
  static constexpr void fill(Kernels&) {}
};

}  // namespace
}  // namespace fastexpr::vector_math
