#pragma once

#include "linalg/matrix.hpp"

// The inner loops, compiled once per CPU path from the templates in kernels/ and picked when the library is loaded.
// Files that define a path include no header with inline functions: the linker keeps one copy of such a function for the
// whole library, and it might be the one compiled for a newer CPU.

namespace fastexpr::linalg {

constexpr Index max_thin_columns = 64;
constexpr Index max_lanes = 8;

struct Kernels {
  /// y[i] = x[i] as double.
  void (*widen)(const float* x, Index count, double* y);

  /// y (rows) = A x, or += where `accumulate`; A (rows, k) of row stride `stride`.
  void (*multiply_vector_float)(const float* A, Index stride, Index rows, Index k, const double* x, double* y, bool accumulate);
  void (*multiply_vector_double)(const double* A, Index stride, Index rows, Index k, const double* x, double* y, bool accumulate);

  /// y (columns) += A' x; A (rows, columns) of row stride `stride`.
  void (*add_transposed_vector_float)(const float* A, Index stride, Index rows, Index columns, const double* x, double* y);
  void (*add_transposed_vector_double)(const double* A, Index stride, Index rows, Index columns, const double* x, double* y);

  /// C (rows, columns) = A B, or += where `accumulate`; at most max_thin_columns. A (rows, k) of row stride `stride`, or where
  /// `is_transposed` stored (k, rows); B (k, columns) and C of row stride `block_stride`.
  void (*multiply_thin_float)(const float* A, Index stride, bool is_transposed, Index rows, Index k, const double* B,
                              Index columns, Index block_stride, double* C, bool accumulate);
  void (*multiply_thin_double)(const double* A, Index stride, bool is_transposed, Index rows, Index k, const double* B,
                               Index columns, Index block_stride, double* C, bool accumulate);

  /// Rows [first, last) of the upper triangle of H (n, n) += P' S; P and S (k, n) of row strides p_stride, s_stride.
  /// Up to max_lanes numbers behind a row of S are read, and not used.
  void (*add_triangle)(const double* P, Index p_stride, const double* S, Index s_stride, Index k, Index n, Index first,
                       Index last, double* H);

  /// out[i, :] = d[i * d_stride] * T[i, :]; T (rows, columns) of row stride `stride`.
  void (*scale_rows)(const double* d, Index d_stride, const double* T, Index stride, Index rows, Index columns, double* out,
                     Index out_stride);
  /// out[i, :] += d[i] * T[i, :], both (rows, columns).
  void (*add_scaled_rows)(const double* d, const double* T, Index rows, Index columns, double* out);

  const char* name;  // "baseline", "avx2", "avx512"
};

/// The path in use: the best this CPU runs, or the one that the environment variable FASTEXPR_CPU names.
const Kernels& kernels();

extern const Kernels baseline_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

}  // namespace fastexpr::linalg
