#include "linalg/kernels/maps.hpp"

#if defined(FASTEXPR_HAS_SLEEF)
#include <sleef.h>
#endif

namespace fastexpr::vector_math {
namespace {

#if defined(FASTEXPR_HAS_SLEEF)
struct Functions {
  using Vector = linalg::Vector<8>;
  static Vector log(Vector x) { return Sleef_logd8_u35avx512f(x); }
  static Vector log1p(Vector x) { return Sleef_log1pd8_u10avx512f(x); }
  static Vector sin(Vector x) { return Sleef_sind8_u35avx512f(x); }
  static Vector cos(Vector x) { return Sleef_cosd8_u35avx512f(x); }
  static Vector erf(Vector x) { return Sleef_erfd8_u10avx512f(x); }
  static Vector pow(Vector x, Vector y) { return Sleef_powd8_u10avx512f(x, y); }
};

using Sleef = SleefMaps<Functions>;

#else

using Sleef = NoSleef;

#endif

}  // namespace

constinit const Kernels avx512_kernels = make_kernels<8, Sleef>();

}  // namespace fastexpr::vector_math
