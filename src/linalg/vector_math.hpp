#pragma once

#include "linalg/matrix.hpp"

// Functions of arrays: y[i] = f(x[i]), i < count. y may be x. At most 4 ulp of error over the whole range, including
// subnormals, +-0, huge arguments, infinities and NaN. The kernels are picked for the CPU when the library is loaded.

namespace fastexpr::vector_math {

void exp(const double* x, double* y, Index count);
void expm1(const double* x, double* y, Index count);
void log(const double* x, double* y, Index count);
void log1p(const double* x, double* y, Index count);
void sin(const double* x, double* y, Index count);
void cos(const double* x, double* y, Index count);
void tanh(const double* x, double* y, Index count);
void erf(const double* x, double* y, Index count);
void erfc(const double* x, double* y, Index count);
void sqrt(const double* x, double* y, Index count);

/// z[i] = x[i] ** y[i] as std::pow: a negative base with an integral exponent is fine, otherwise NaN.
void pow(const double* x, const double* y, double* z, Index count);

/// 1 / (1 + exp(-x)) without overflow: sigmoid(-800) is 0.
void sigmoid(const double* x, double* y, Index count);

/// log(1 + exp(x)) without overflow: softplus(800) is 800.
void softplus(const double* x, double* y, Index count);

/// x P(x) with the normal distribution P, and x times its sigmoid; 0 at -infinity.
void gelu(const double* x, double* y, Index count);
void silu(const double* x, double* y, Index count);

/// first = sech^2 x and, where it is not null, second = -2 y sech^2 x, of y = tanh(x); without cancellation where y is nearly 1.
void tanh_derivatives(const double* x, const double* y, double* first, double* second, Index count);

/// Whose log, log1p, sin, cos, erf and pow these are: "sleef" or "libm". The others are our own.
const char* library();

/// The path this CPU runs: "baseline", "avx2" or "avx512". FASTEXPR_CPU names another that it runs, too.
const char* cpu_path();

}  // namespace fastexpr::vector_math
