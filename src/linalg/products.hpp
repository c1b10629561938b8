#pragma once

#include "linalg/matrix.hpp"

// Products of weights (float32 or float64, read in their own precision) with double blocks.
// Everything is row-major; a "block" is contiguous: row stride = number of columns unless a stride is given.
// All of them may use the thread pool when the work is large, and allocate nothing after a thread's first call.

namespace fastexpr::linalg {

/// C = A B, or C = A' B where `is_transposed`; C += ... where `accumulate`.
/// A (r, k) as stored; B (k, columns) -> C (r, columns); transposed: B (r, columns) -> C (k, columns).
void multiply(const MatrixView& A, bool is_transposed, const double* B, Index columns, double* C, bool accumulate);

/// C = A B + bias, or A' B + bias, of one number for each row of C.
void multiply_with_bias(const MatrixView& A, bool is_transposed, const double* B, Index columns, const double* bias, double* C);

/// multiply() where the rows of B and C stand further apart.
void multiply_strided(const MatrixView& A, bool is_transposed, const double* B, Index b_stride, Index columns, double* C,
                      Index c_stride, bool accumulate);

/// C = B A, or C = B A' where `is_transposed`; C += ... where `accumulate`. The weights are on the right.
/// A (k, c) as stored; B (rows, k) -> C (rows, c); transposed: B (rows, c) -> C (rows, k).
void multiply_right(const double* B, Index rows, const MatrixView& A, bool is_transposed, double* C, bool accumulate);

/// Some rows and columns of a matrix.
struct MatrixPart {
  const void* data;
  Precision precision;
  Index stride;
  Index rows;
  Index columns;
};

/// C = A B, or C = A' B where `is_transposed`; C += ... where `accumulate`. Rows of B and C are `b_stride` and `c_stride` apart;
/// at most 256 columns; on this thread.
void multiply_part(const MatrixPart& A, bool is_transposed, const double* B, Index b_stride, Index columns, double* C,
                   Index c_stride, bool accumulate);

/// Upper triangle of H (n, n) += T' diag(q) T, with T (rows, n) of row stride `stride`, and q[i * q_stride].
/// Rows with q == 0 cost nothing. The lower triangle is left alone.
void add_scaled_gram(const double* T, Index stride, const double* q, Index q_stride, Index rows, Index n, double* H);

/// Upper triangle of H (n, n) += T' S, with T and S (rows, n), both of row stride `stride`.
/// The caller knows that the sum it builds up is symmetric.
void add_product_triangle(const double* T, const double* S, Index stride, Index rows, Index n, double* H);

/// Lower triangle of H (n, n) := transpose of the upper one.
void mirror_upper(double* H, Index n);

/// out[i, :] = d[i] * T[i, :], T (rows, columns). out may be T.
void scale_rows(const double* d, const double* T, Index rows, Index columns, double* out);

/// out[i, :] += d[i] * T[i, :], T (rows, columns).
void add_scaled_rows(const double* d, const double* T, Index rows, Index columns, double* out);

/// Whether all numbers are finite.
bool are_finite(const double* x, Index count);

/// y[i, :] = x[i, :] times positive[i] where that is > 0, else times negative[i]; += where `accumulate`. y (rows, columns); the
/// rows of x are `x_stride` apart: 0 for one row that all take. A row both of whose factors are 0 adds nothing.
void take_signed(const double* x, Index x_stride, Index rows, Index columns, const double* positive, const double* negative,
                 bool accumulate, double* y);

/// out (columns, rows) = transpose of A (rows, columns).
void transpose(const double* A, Index rows, Index columns, double* out);

/// Which BLAS is linked, as its own configuration string says.
const char* blas_description();

}  // namespace fastexpr::linalg
