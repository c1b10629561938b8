#pragma once

#include "linalg/matrix.hpp"

// The loops of vector_math.hpp for one CPU path. As in kernels.hpp, files that define a path use no inline functions.

namespace fastexpr::vector_math {

using Map = void (*)(const double* x, double* y, Index count);

struct Kernels {
  Map exp, expm1, log, log1p, sin, cos, tanh, erf, erfc, sigmoid, softplus;
  void (*pow)(const double* x, const double* y, double* z, Index count);
};

/// Above this size SLEEF and the C library lose digits of sin and cos near multiples of pi; these two do not, and are slow.
constexpr double far = 1e8;
double sin_of_far(double x);
double cos_of_far(double x);

#if defined(FASTEXPR_HAS_SLEEF)
extern const Kernels sleef_baseline_kernels;
#if defined(__x86_64__)
extern const Kernels sleef_avx2_kernels;
extern const Kernels sleef_avx512_kernels;
#endif
#endif

}  // namespace fastexpr::vector_math
