#include "linalg/kernels/maps.hpp"

#if defined(FASTEXPR_HAS_SLEEF)
#include <sleef.h>
#endif

namespace fastexpr::vector_math {
namespace {

#if defined(FASTEXPR_HAS_SLEEF)
#if defined(__x86_64__)

struct Functions {
  using Vector = linalg::Vector<2>;
  static Vector log(Vector x) { return Sleef_logd2_u35sse4(x); }
  static Vector log1p(Vector x) { return Sleef_log1pd2_u10sse4(x); }
  static Vector sin(Vector x) { return Sleef_sind2_u35sse4(x); }
  static Vector cos(Vector x) { return Sleef_cosd2_u35sse4(x); }
  static Vector erf(Vector x) { return Sleef_erfd2_u10sse4(x); }
  static Vector pow(Vector x, Vector y) { return Sleef_powd2_u10sse4(x, y); }
};

#else

struct Functions {
  using Vector = linalg::Vector<2>;
  static Vector log(Vector x) { return Sleef_logd2_u35advsimd(x); }
  static Vector log1p(Vector x) { return Sleef_log1pd2_u10advsimd(x); }
  static Vector sin(Vector x) { return Sleef_sind2_u35advsimd(x); }
  static Vector cos(Vector x) { return Sleef_cosd2_u35advsimd(x); }
  static Vector erf(Vector x) { return Sleef_erfd2_u10advsimd(x); }
  static Vector pow(Vector x, Vector y) { return Sleef_powd2_u10advsimd(x, y); }
};

#endif

using Sleef = SleefMaps<Functions>;

#else

using Sleef = NoSleef;

#endif

}  // namespace

constinit const Kernels baseline_kernels = make_kernels<2, Sleef>();

}  // namespace fastexpr::vector_math
