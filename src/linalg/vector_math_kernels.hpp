#pragma once

#include "linalg/matrix.hpp"

// The loops of vector_math.hpp for one CPU path. As in kernels.hpp, files that define a path use no inline functions.

namespace fastexpr::vector_math {

using Map = void (*)(const double* x, double* y, Index count);

struct Kernels {
  Map exp, expm1, tanh, erfc, sigmoid, softplus, gelu, silu;
  void (*tanh_derivatives)(const double* x, const double* y, double* first, double* second, Index count);
  // By SLEEF; null where it is missing.
  Map log, log1p, sin, cos, erf;
  void (*pow)(const double* x, const double* y, double* z, Index count);
};

/// Above this size SLEEF and the C library lose digits of sin and cos near multiples of pi; these two do not, and are slow.
constexpr double far = 1e8;
double sin_of_far(double x);
double cos_of_far(double x);

extern const Kernels baseline_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

}  // namespace fastexpr::vector_math
