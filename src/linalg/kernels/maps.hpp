#pragma once

#include "linalg/kernels/functions.hpp"
#include "linalg/kernels/sleef_maps.hpp"
#include "linalg/vector_math_kernels.hpp"

namespace fastexpr::vector_math {
namespace {

/// Of `count` numbers, whole vectors of them.
template <int lanes>
inline void whole_tanh_derivatives(const double* x, const double* y, double* first, double* second, Index count) {
  constexpr double saturated = 0.02;  // above it 1 - y^2 has 14 digits
  Vector<lanes> least = Vector<lanes>{} + 1.0;
  for (Index i = 0; i < count; i += lanes) {
    const Vector<lanes> value = linalg::load<lanes>(y + i);
    const Vector<lanes> near = (1.0 - value) * (1.0 + value);
    least = near < least ? near : least;
    linalg::store<lanes>(first + i, near);
    if (second != nullptr) linalg::store<lanes>(second + i, -2.0 * value * near);
  }
  bool is_any_far = false;
  for (int i = 0; i < lanes; ++i) is_any_far |= least[i] < saturated;
  if (!is_any_far) return;
  for (Index i = 0; i < count; i += lanes) {
    const Vector<lanes> near = linalg::load<lanes>(first + i);
    const Vector<lanes> slope = near < Vector<lanes>{} + saturated ? far_tanh_slope<lanes>(linalg::load<lanes>(x + i)) : near;
    linalg::store<lanes>(first + i, slope);
    if (second != nullptr) linalg::store<lanes>(second + i, -2.0 * linalg::load<lanes>(y + i) * slope);
  }
}

/// first = 1 - y^2 = sech^2 x, second = -2 y sech^2 x, of y = tanh(x); second may be null. Where y is nearly 1 the first form has
/// no digits: a block that has such numbers is gone through again.
template <int lanes>
void tanh_derivatives(const double* x, const double* y, double* first, double* second, Index count) {
  constexpr Index block = 128;
  const Index whole = count / lanes * lanes;
  for (Index i = 0; i < whole; i += block)
    whole_tanh_derivatives<lanes>(x + i, y + i, first + i, second == nullptr ? nullptr : second + i,
                                  whole - i < block ? whole - i : block);
  if (whole == count) return;
  double numbers[4][lanes] = {};
  for (Index i = whole; i < count; ++i) numbers[0][i - whole] = x[i], numbers[1][i - whole] = y[i];
  whole_tanh_derivatives<lanes>(numbers[0], numbers[1], numbers[2], numbers[3], lanes);
  for (Index i = whole; i < count; ++i) first[i] = numbers[2][i - whole];
  for (Index i = whole; second != nullptr && i < count; ++i) second[i] = numbers[3][i - whole];
}

/// `Sleef` names the functions of SleefMaps, or nothing.
template <int lanes, class Sleef>
constexpr Kernels make_kernels() {
  Kernels kernels = {
      .exp = map<lanes, exp<lanes>>,
      .expm1 = map<lanes, expm1<lanes>>,
      .tanh = map<lanes, tanh<lanes>>,
      .erfc = map<lanes, erfc<lanes>>,
      .sigmoid = map<lanes, sigmoid<lanes>>,
      .softplus = map<lanes, softplus<lanes>>,
      .gelu = map<lanes, gelu<lanes>>,
      .silu = map<lanes, silu<lanes>>,
      .tanh_derivatives = tanh_derivatives<lanes>,
      .log = nullptr,
      .log1p = nullptr,
      .sin = nullptr,
      .cos = nullptr,
      .erf = nullptr,
      .pow = nullptr,
  };
  Sleef::fill(kernels);
  return kernels;
}

}  // namespace
}  // namespace fastexpr::vector_math
