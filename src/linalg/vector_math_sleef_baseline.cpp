#if defined(FASTEXPR_HAS_SLEEF)

#include <sleef.h>

#include "linalg/kernels/sleef_maps.hpp"

namespace fastexpr::vector_math {
namespace {

#if defined(__x86_64__)

struct Functions {
  using Vector = __m128d;
  static Vector exp(Vector x) { return Sleef_expd2_u10sse4(x); }
  static Vector expm1(Vector x) { return Sleef_expm1d2_u10sse4(x); }
  static Vector log(Vector x) { return Sleef_logd2_u35sse4(x); }
  static Vector log1p(Vector x) { return Sleef_log1pd2_u10sse4(x); }
  static Vector sin(Vector x) { return Sleef_sind2_u35sse4(x); }
  static Vector cos(Vector x) { return Sleef_cosd2_u35sse4(x); }
  static Vector tanh(Vector x) { return Sleef_tanhd2_u35sse4(x); }
  static Vector erf(Vector x) { return Sleef_erfd2_u10sse4(x); }
  static Vector erfc(Vector x) { return Sleef_erfcd2_u15sse4(x); }
  static Vector pow(Vector x, Vector y) { return Sleef_powd2_u10sse4(x, y); }
};

#else

struct Functions {
  using Vector = float64x2_t;
  static Vector exp(Vector x) { return Sleef_expd2_u10advsimd(x); }
  static Vector expm1(Vector x) { return Sleef_expm1d2_u10advsimd(x); }
  static Vector log(Vector x) { return Sleef_logd2_u35advsimd(x); }
  static Vector log1p(Vector x) { return Sleef_log1pd2_u10advsimd(x); }
  static Vector sin(Vector x) { return Sleef_sind2_u35advsimd(x); }
  static Vector cos(Vector x) { return Sleef_cosd2_u35advsimd(x); }
  static Vector tanh(Vector x) { return Sleef_tanhd2_u35advsimd(x); }
  static Vector erf(Vector x) { return Sleef_erfd2_u10advsimd(x); }
  static Vector erfc(Vector x) { return Sleef_erfcd2_u15advsimd(x); }
  static Vector pow(Vector x, Vector y) { return Sleef_powd2_u10advsimd(x, y); }
};

#endif

}  // namespace

constinit const Kernels sleef_baseline_kernels = SleefMaps<Functions>::kernels();

}  // namespace fastexpr::vector_math

#endif
