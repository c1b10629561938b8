#if defined(FASTEXPR_HAS_SLEEF)

#include <sleef.h>

#include "linalg/kernels/sleef_maps.hpp"

namespace fastexpr::vector_math {
namespace {

struct Functions {
  using Vector = __m512d;
  static Vector exp(Vector x) { return Sleef_expd8_u10avx512f(x); }
  static Vector expm1(Vector x) { return Sleef_expm1d8_u10avx512f(x); }
  static Vector log(Vector x) { return Sleef_logd8_u35avx512f(x); }
  static Vector log1p(Vector x) { return Sleef_log1pd8_u10avx512f(x); }
  static Vector sin(Vector x) { return Sleef_sind8_u35avx512f(x); }
  static Vector cos(Vector x) { return Sleef_cosd8_u35avx512f(x); }
  static Vector tanh(Vector x) { return Sleef_tanhd8_u35avx512f(x); }
  static Vector erf(Vector x) { return Sleef_erfd8_u10avx512f(x); }
  static Vector erfc(Vector x) { return Sleef_erfcd8_u15avx512f(x); }
  static Vector pow(Vector x, Vector y) { return Sleef_powd8_u10avx512f(x, y); }
};

}  // namespace

constinit const Kernels sleef_avx512_kernels = SleefMaps<Functions>::kernels();

}  // namespace fastexpr::vector_math

#endif
