#pragma once

#include "linalg/matrix.hpp"

// The inner loops, compiled once per CPU path from the templates in kernels/ and picked when the library is loaded.
// Files that define a path include no header with inline functions: the linker keeps one copy of such a function for the
// whole library, and it might be the one compiled for a newer CPU.

namespace fastexpr::linalg {

constexpr Index max_thin_columns = 256;
constexpr Index max_lanes = 8;
constexpr Index panel_depth = 128;   // of k
constexpr Index panel_rows = 96;     // a multiple of every tile's height
constexpr Index panel_stride = 136;  // of a row in a panel as stored: not a power of two, or rows share cache sets
constexpr Index thin_buffer_numbers = panel_rows * panel_stride + panel_depth * (max_thin_columns + max_lanes);

struct Kernels {
  /// y[i] = x[i] as double.
  void (*widen)(const float* x, Index count, double* y);

  /// y (rows) = A x, or += where `accumulate`; A (rows, k) of row stride `stride`.
  void (*multiply_vector_float)(const float* A, Index stride, Index rows, Index k, const double* x, double* y, bool accumulate);
  void (*multiply_vector_double)(const double* A, Index stride, Index rows, Index k, const double* x, double* y, bool accumulate);

  /// y (columns) += A' x; A (rows, columns) of row stride `stride`.
  void (*add_transposed_vector_float)(const float* A, Index stride, Index rows, Index columns, const double* x, double* y);
  void (*add_transposed_vector_double)(const double* A, Index stride, Index rows, Index columns, const double* x, double* y);

  /// C (rows, columns) = A B, or += where `accumulate`, and + bias[row] where that is not null, which only the former takes; at
  /// most max_thin_columns. A (rows, k) of row stride `stride`, or where `is_transposed` stored (k, rows); B (k, columns);
  /// `buffer` has room for thin_buffer_numbers.
  void (*multiply_thin_float)(const float* A, Index stride, bool is_transposed, Index rows, Index k, const double* B,
                              Index columns, Index b_stride, double* C, Index c_stride, bool accumulate, const double* bias,
                              double* buffer);
  void (*multiply_thin_double)(const double* A, Index stride, bool is_transposed, Index rows, Index k, const double* B,
                               Index columns, Index b_stride, double* C, Index c_stride, bool accumulate, const double* bias,
                               double* buffer);

  /// Upper triangle of H (n, n), row stride `h_stride`, += P' S; P and S (k, n) of row strides p_stride, s_stride.
  /// Up to max_lanes numbers behind a row of S are read, and not used.
  void (*add_triangle)(const double* P, Index p_stride, const double* S, Index s_stride, Index k, Index n, double* H,
                       Index h_stride);

  /// out[i, :] = d[i * d_stride] * T[i, :]; T (rows, columns) of row stride `stride`. Where out's rows
  /// have room for max_lanes more numbers, those may be overwritten.
  void (*scale_rows)(const double* d, Index d_stride, const double* T, Index stride, Index rows, Index columns, double* out,
                     Index out_stride);
  /// out[i, :] += d[i] * T[i, :], both (rows, columns).
  void (*add_scaled_rows)(const double* d, const double* T, Index rows, Index columns, double* out);

  /// Row i of y (rows, columns) = row i of x, `x_stride` apart, times positive[i] where it is > 0, else times negative[i]; +=
  /// that where `accumulate`.
  void (*take_signed)(const double* x, Index x_stride, Index rows, Index columns, const double* positive, const double* negative,
                      bool accumulate, double* y);

  bool (*are_finite)(const double* x, Index count);

  const char* name;          // "baseline", "avx2", "avx512vl", "avx512"
  bool is_faster_than_blas;  // in wide products, too: OpenBLAS's kernels for this CPU do not know what comes next
};

/// The path in use: the best this CPU runs, or the one that the environment variable FASTEXPR_CPU names.
const Kernels& kernels();

extern const Kernels baseline_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512vl_kernels;
extern const Kernels avx512_kernels;
#endif

}  // namespace fastexpr::linalg
