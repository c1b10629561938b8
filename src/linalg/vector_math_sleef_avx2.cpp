#if defined(FASTEXPR_HAS_SLEEF)

#include <sleef.h>

#include "linalg/kernels/sleef_maps.hpp"

namespace fastexpr::vector_math {
namespace {

struct Functions {
  using Vector = __m256d;
  static Vector exp(Vector x) { return Sleef_expd4_u10avx2(x); }
  static Vector expm1(Vector x) { return Sleef_expm1d4_u10avx2(x); }
  static Vector log(Vector x) { return Sleef_logd4_u35avx2(x); }
  static Vector log1p(Vector x) { return Sleef_log1pd4_u10avx2(x); }
  static Vector sin(Vector x) { return Sleef_sind4_u35avx2(x); }
  static Vector cos(Vector x) { return Sleef_cosd4_u35avx2(x); }
  static Vector tanh(Vector x) { return Sleef_tanhd4_u35avx2(x); }
  static Vector erf(Vector x) { return Sleef_erfd4_u10avx2(x); }
  static Vector erfc(Vector x) { return Sleef_erfcd4_u15avx2(x); }
  static Vector pow(Vector x, Vector y) { return Sleef_powd4_u10avx2(x, y); }
};

}  // namespace

constinit const Kernels sleef_avx2_kernels = SleefMaps<Functions>::kernels();

}  // namespace fastexpr::vector_math

#endif
