#pragma once

#include "linalg/matrix.hpp"

// The few BLAS functions in use, row-major, on one thread. Every size and stride must fit an int: see fits().

namespace fastexpr::linalg::blas {

constexpr bool fits(Index size) { return size <= 2147483647; }

/// C (rows, columns) = A B, or += where `accumulate`; A (rows, k), or stored (k, rows) where transposed, and likewise B.
void multiply(bool a_is_transposed, bool b_is_transposed, Index rows, Index columns, Index k, const double* A, Index a_stride,
              const double* B, Index b_stride, bool accumulate, double* C, Index c_stride);

/// Upper triangle of H (n, n) += P' S; P, S (k, n).
void add_triangle(Index n, Index k, const double* P, Index p_stride, const double* S, Index s_stride, double* H, Index h_stride);

}  // namespace fastexpr::linalg::blas
