#include "linalg/kernels/maps.hpp"

#if defined(FASTEXPR_HAS_SLEEF)
#include <sleef.h>
#endif

namespace fastexpr::vector_math {
namespace {

#if defined(FASTEXPR_HAS_SLEEF)
struct Functions {
  using Vector = linalg::Vector<4>;
  static Vector log(Vector x) { return Sleef_logd4_u35avx2(x); }
  static Vector log1p(Vector x) { return Sleef_log1pd4_u10avx2(x); }
  static Vector sin(Vector x) { return Sleef_sind4_u35avx2(x); }
  static Vector cos(Vector x) { return Sleef_cosd4_u35avx2(x); }
  static Vector erf(Vector x) { return Sleef_erfd4_u10avx2(x); }
  static Vector pow(Vector x, Vector y) { return Sleef_powd4_u10avx2(x, y); }
};

using Sleef = SleefMaps<Functions>;

#else

using Sleef = NoSleef;

#endif

}  // namespace

constinit const Kernels avx2_kernels = make_kernels<4, Sleef>();

}  // namespace fastexpr::vector_math
