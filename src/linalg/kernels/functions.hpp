#pragma once

#include "linalg/kernels/vectors.hpp"

// exp and what is made of it, for vectors of numbers: no branch, no table, no call, so that loops over arrays keep their
// constants in registers. Errors are below 3 units in the last place over all doubles (tests/support/accuracy_table.py); an infinite or
// NaN argument gives what the C library gives. The coefficients interpolate at Chebyshev points, in the intervals stated.

namespace fastexpr::vector_math {
namespace {

using linalg::Vector;

template <int lanes>
using Integers = typename linalg::VectorTypes<lanes>::Mask;

template <int lanes>
inline Integers<lanes> bits_of(Vector<lanes> x) {
  return reinterpret_cast<Integers<lanes>>(x);
}
template <int lanes>
inline Vector<lanes> magnitude(Vector<lanes> x) {
  return reinterpret_cast<Vector<lanes>>(bits_of<lanes>(x) & 0x7fff'ffff'ffff'ffff);
}
/// `size` >= 0 with the sign of x.
template <int lanes>
inline Vector<lanes> with_sign_of(Vector<lanes> x, Vector<lanes> size) {
  const Integers<lanes> sign = bits_of<lanes>(x) & static_cast<long>(0x8000'0000'0000'0000);
  return reinterpret_cast<Vector<lanes>>(bits_of<lanes>(size) | sign);
}

/// c[0] + c[1] x + ..., the even and the odd powers side by side: half the wait.
template <int lanes, int count>
inline Vector<lanes> polynomial(Vector<lanes> x, const double (&c)[count]) {
  static_assert(count >= 3);
  constexpr int last_even = (count - 1) / 2 * 2, last_odd = (count - 2) / 2 * 2 + 1;
  const Vector<lanes> z = x * x;
  Vector<lanes> even = Vector<lanes>{} + c[last_even];
  Vector<lanes> odd = Vector<lanes>{} + c[last_odd];
#pragma GCC unroll 16
  for (int k = last_even - 2; k >= 0; k -= 2) even = even * z + c[k];
#pragma GCC unroll 16
  for (int k = last_odd - 2; k >= 1; k -= 2) odd = odd * z + c[k];
  return even + x * odd;
}

/// x + y = n log 2 + r with |r| <= log 2 / 2, and what belongs to r.
template <int lanes>
struct Reduced {
  Vector<lanes> whole;      // n
  Vector<lanes> remainder;  // exp(r) - 1
};

constexpr double to_integer = 0x1.8p52;  // added, it leaves the nearest integer in the last bits

/// For |x| < 2000, and y far smaller.
template <int lanes>
inline Reduced<lanes> reduce(Vector<lanes> x, Vector<lanes> y = Vector<lanes>{}) {
  constexpr double inverse = 1.4426950408889634;                                 // 1 / log 2
  constexpr double upper = 0x1.62e42fefa0000p-1, lower = 0x1.cf79abc9e3b3ap-40;  // log 2: n * upper is exact
  constexpr double c[] = {0.5000000000000001,     0.16666666666666669,    0.04166666666662413,    0.008333333333330062,
                          0.0013888888917213717,  0.00019841269863053618, 2.4801521295954376e-05, 2.7557268459997064e-06,
                          2.7620088445409746e-07, 2.510038549551032e-08};  // |r| <= 0.3466
  const Vector<lanes> n = (x * inverse + to_integer) - to_integer;
  const Vector<lanes> r = (x - n * upper) - (n * lower - y);
  return {n, r + r * r * polynomial<lanes>(r, c)};
}

/// 2^n for an integer -1022 <= n <= 1023.
template <int lanes>
inline Vector<lanes> power_of_two(Vector<lanes> n) {
  const Vector<lanes> shifted = n + (to_integer + 1023.0);
  return reinterpret_cast<Vector<lanes>>(bits_of<lanes>(shifted) << 52);
}

/// x 2^n, rounded once, for an integer |n| <= 2044.
template <int lanes>
inline Vector<lanes> scaled(Vector<lanes> x, Vector<lanes> n) {
#if defined(__AVX512F__) && !defined(__clang__)
  if constexpr (lanes == 8) return __builtin_ia32_scalefpd512_mask(x, n, Vector<8>{}, -1, 4);
#endif
  const Vector<lanes> half = (n * 0.5 + to_integer) - to_integer;
  return x * power_of_two<lanes>(half) * power_of_two<lanes>(n - half);
}

template <int lanes>
inline Vector<lanes> exp(Vector<lanes> x) {
  x = x > Vector<lanes>{} + 710.0 ? Vector<lanes>{} + 710.0 : x;  // infinite from 709.79 on
  x = x < Vector<lanes>{} - 746.0 ? Vector<lanes>{} - 746.0 : x;  // 0 from -745.2 on
  const Reduced<lanes> reduced = reduce<lanes>(x);
  return scaled<lanes>(1.0 + reduced.remainder, reduced.whole);
}

template <int lanes>
inline Vector<lanes> expm1(Vector<lanes> x) {
  const Vector<lanes> given = x;
  x = x > Vector<lanes>{} + 710.0 ? Vector<lanes>{} + 710.0 : x;
  x = x < Vector<lanes>{} - 40.0 ? Vector<lanes>{} - 40.0 : x;  // -1 there
  const Reduced<lanes> reduced = reduce<lanes>(x);
  const Vector<lanes> half = power_of_two<lanes>(reduced.whole - 1.0);  // 2^1024 would be infinite
  const Vector<lanes> y = 2.0 * (half * reduced.remainder + (half - 0.5));
  return magnitude<lanes>(given) < Vector<lanes>{} + 0x1p-60 ? given : y;
}

/// t / (t + 2) with t = exp(2 |x|) - 1.
template <int lanes>
inline Vector<lanes> tanh(Vector<lanes> x) {
  const Vector<lanes> size = magnitude<lanes>(x);
  const Reduced<lanes> reduced = reduce<lanes>(2.0 * (size > Vector<lanes>{} + 20.0 ? Vector<lanes>{} + 20.0 : size));
  const Vector<lanes> scale = power_of_two<lanes>(reduced.whole);
  const Vector<lanes> t = scale * reduced.remainder + (scale - 1.0);
  return with_sign_of<lanes>(x, t / (t + 2.0));
}

/// 4 e / (1 + e)^2 with e = exp(-2 |x|): 1 - tanh(x)^2 has no digits where tanh(x) is nearly 1.
template <int lanes>
inline Vector<lanes> far_tanh_slope(Vector<lanes> x) {
  const Vector<lanes> e = exp<lanes>(-2.0 * magnitude<lanes>(x));
  return 4.0 * e / ((1.0 + e) * (1.0 + e));
}

template <int lanes>
inline Vector<lanes> sigmoid(Vector<lanes> x) {
  const Vector<lanes> e = exp<lanes>(-magnitude<lanes>(x));
  return (x > Vector<lanes>{} ? Vector<lanes>{} + 1.0 : e) / (1.0 + e);
}

/// log(1 + e) for 0 <= e <= 1: with 1 + e = 2^k (1 + f), s = f / (2 + f), it is k log 2 + f - f^2 / 2 + s (f^2 / 2 + R), where
/// R = log(1 + f) / s - 2, a series in s^2.
template <int lanes>
inline Vector<lanes> log1p_of_fraction(Vector<lanes> e) {
  constexpr double c[] = {0.666666666666667,   0.3999999999989819,  0.28571428626570206, 0.2222221103781659,
                          0.18182896183483085, 0.15331487235865734, 0.14619343453512615};  // s^2 <= 0.0295
  const auto is_halved = e > Vector<lanes>{} + 0.4142;
  const Vector<lanes> f = is_halved ? 0.5 * e - 0.5 : e;
  const Vector<lanes> s = f / (2.0 + f);
  const Vector<lanes> z = s * s;
  const Vector<lanes> square = 0.5 * f * f;
  const Vector<lanes> near = f - (square - s * (square + z * polynomial<lanes>(z, c)));
  return is_halved ? near + 0.6931471805599453 : near;
}

template <int lanes>
inline Vector<lanes> softplus(Vector<lanes> x) {
  const Vector<lanes> zero = {};
  return (x < zero ? zero : x) + log1p_of_fraction<lanes>(exp<lanes>(-magnitude<lanes>(x)));
}

/// 1 - erf(x) near 0, where that is a series; exp(-x^2) G(t) / (1 + 2 |x|), t = (|x| - 3) / (|x| + 3), elsewhere, G being smooth
/// from 0 to infinity; 2 less that below 0.
template <int lanes>
inline Vector<lanes> erfc(Vector<lanes> x) {
  constexpr double near[] = {1.1283791670955126,     -0.37612638903183604,    0.11283791670938181,
                             -0.026866170637571286,  0.0052239774563486155,   -0.0008548305753808225,
                             0.00012053758374837723, -1.4857456814368412e-05, 1.4854692373885614e-06};  // |x| <= 0.48
  constexpr double far_at_0 = 1.2530080582697296;
  constexpr double far[] = {
      -0.13562110612458042,   -0.047562294353432844,   0.12964515870266938,    -0.11927366341641817,
      0.06830802734728031,    -0.02377051489197626,    0.002529391760325481,   0.0018886900322415813,
      -0.0007798317458827889, -0.00010515747834766464, 0.00012509631517360385, 4.939312308132925e-06,
      -2.00893957415806e-05,  -7.032832004227529e-07,  3.4460146181632415e-06, 3.074542331238366e-07,
      -5.776245342747683e-07, -8.916372517615907e-08,  6.854968718034756e-08,  1.088358374654472e-08};  // 0.465 <= |x| <= 28.1
  const Vector<lanes> zero = {};
  const Vector<lanes> size = magnitude<lanes>(x);
  const Vector<lanes> a = size > zero + 28.0 ? zero + 28.0 : size;
  // a^2 = head^2 + rest, the first of them exact.
  const Vector<lanes> head = reinterpret_cast<Vector<lanes>>(bits_of<lanes>(a) & ~0x7ff'ffffL);
  const Vector<lanes> rest = (a - head) * (a + head);
  const Reduced<lanes> reduced = reduce<lanes>(-(head * head), -rest);
  const Vector<lanes> t = (a - 3.0) / (a + 3.0);
  const Vector<lanes> G = t * polynomial<lanes>(t, far);  // less G(0), which is added last: one rounding of that size
  const Vector<lanes> product = far_at_0 + (G + reduced.remainder * (far_at_0 + G));
  const Vector<lanes> divisor = 1.0 + 2.0 * a;
  const Vector<lanes> lost = 1.0 - (divisor - 2.0 * a);  // of the divisor, by rounding
  const Vector<lanes> ratio = product / divisor;
  const Vector<lanes> tail = scaled<lanes>(ratio - ratio * (lost / divisor), reduced.whole);
  const Vector<lanes> square = a * a;
  const Vector<lanes> inside = 1.0 - x * polynomial<lanes>(square, near);
  return size < zero + 0.47 ? inside : (x < zero ? 2.0 - tail : tail);
}

/// x P(x) with the normal distribution P(x) = erfc(-x / sqrt 2) / 2.
template <int lanes>
inline Vector<lanes> gelu(Vector<lanes> x) {
  const Vector<lanes> doubled = erfc<lanes>(-x * (1.4142135623730951 / 2.0));
  return doubled == Vector<lanes>{} ? Vector<lanes>{} : 0.5 * x * doubled;  // 0 at -inf
}

template <int lanes>
inline Vector<lanes> silu(Vector<lanes> x) {
  const Vector<lanes> s = sigmoid<lanes>(x);
  return s == Vector<lanes>{} ? Vector<lanes>{} : x * s;  // 0 at -inf
}

/// y[i] = function(x[i]). What is left over is computed in a vector that zeros fill up.
template <int lanes, Vector<lanes> (*function)(Vector<lanes>)>
void map(const double* x, double* y, Index count) {
  Index i = 0;
  for (; i + lanes <= count; i += lanes) linalg::store<lanes>(y + i, function(linalg::load<lanes>(x + i)));
  if (i == count) return;
  double rest[lanes] = {};
  for (Index j = 0; i + j < count; ++j) rest[j] = x[i + j];
  linalg::store<lanes>(rest, function(linalg::load<lanes>(rest)));
  for (Index j = 0; i + j < count; ++j) y[i + j] = rest[j];
}

}  // namespace
}  // namespace fastexpr::vector_math
