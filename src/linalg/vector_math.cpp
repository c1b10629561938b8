#include "linalg/vector_math.hpp"

#include <cmath>
#include <cstring>

#include "linalg/kernels.hpp"
#include "linalg/vector_math_kernels.hpp"

namespace fastexpr::vector_math {
namespace {

// The C library's functions, one number at a time, for what SLEEF does where it is there: correct everywhere, and several times
// slower.

template <double (*function)(double)>
void map(const double* x, double* y, Index count) {
  for (Index i = 0; i < count; ++i) y[i] = function(x[i]);
}

double sin_of(double x) { return std::fabs(x) > far ? sin_of_far(x) : std::sin(x); }
double cos_of(double x) { return std::fabs(x) > far ? cos_of_far(x) : std::cos(x); }

void pow_of(const double* x, const double* y, double* z, Index count) {
  for (Index i = 0; i < count; ++i) z[i] = std::pow(x[i], y[i]);
}

const Kernels& path_kernels() {
#if defined(__x86_64__)
  if (std::strncmp(cpu_path(), "avx512", 6) == 0) return avx512_kernels;
  if (std::strcmp(cpu_path(), "avx2") == 0) return avx2_kernels;
#endif
  return baseline_kernels;
}

Kernels completed(Kernels kernels) {
  if (kernels.log != nullptr) return kernels;
  kernels.log = map< ::log>;
  kernels.log1p = map< ::log1p>;
  kernels.sin = map<sin_of>;
  kernels.cos = map<cos_of>;
  kernels.erf = map< ::erf>;
  kernels.pow = pow_of;
  return kernels;
}

const Kernels& kernels() {
  static const Kernels chosen = completed(path_kernels());
  return chosen;
}

}  // namespace

double sin_of_far(double x) { return static_cast<double>(std::sin(static_cast<long double>(x))); }
double cos_of_far(double x) { return static_cast<double>(std::cos(static_cast<long double>(x))); }

void exp(const double* x, double* y, Index count) { kernels().exp(x, y, count); }
void expm1(const double* x, double* y, Index count) { kernels().expm1(x, y, count); }
void log(const double* x, double* y, Index count) { kernels().log(x, y, count); }
void log1p(const double* x, double* y, Index count) { kernels().log1p(x, y, count); }
void sin(const double* x, double* y, Index count) { kernels().sin(x, y, count); }
void cos(const double* x, double* y, Index count) { kernels().cos(x, y, count); }
void tanh(const double* x, double* y, Index count) { kernels().tanh(x, y, count); }
void erf(const double* x, double* y, Index count) { kernels().erf(x, y, count); }
void erfc(const double* x, double* y, Index count) { kernels().erfc(x, y, count); }
void sigmoid(const double* x, double* y, Index count) { kernels().sigmoid(x, y, count); }
void softplus(const double* x, double* y, Index count) { kernels().softplus(x, y, count); }
void gelu(const double* x, double* y, Index count) { kernels().gelu(x, y, count); }
void silu(const double* x, double* y, Index count) { kernels().silu(x, y, count); }
void tanh_derivatives(const double* x, const double* y, double* first, double* second, Index count) {
  kernels().tanh_derivatives(x, y, first, second, count);
}
void pow(const double* x, const double* y, double* z, Index count) { kernels().pow(x, y, z, count); }

void sqrt(const double* x, double* y, Index count) {
  for (Index i = 0; i < count; ++i) y[i] = std::sqrt(x[i]);
}

const char* library() {
#if defined(FASTEXPR_HAS_SLEEF)
  return "sleef";
#else
  return "libm";
#endif
}

const char* cpu_path() { return linalg::kernels().name; }

}  // namespace fastexpr::vector_math
