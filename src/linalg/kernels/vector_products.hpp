#pragma once

#include "linalg/kernels/vectors.hpp"

// Matrix times vector. Every weight is read once, so large ones run at the speed of memory: a few rows at a time keep several
// streams going, and enough sums are carried to hide the latency of the additions.

namespace fastexpr::linalg {
namespace {

/// y[0..rows) (+)= A x with the numbers of a row in lanes; k >= lanes.
template <int lanes, int rows, class Number>
inline void dot_rows(const Number* A, Index stride, Index k, const double* x, double* y, bool accumulate) {
  constexpr int chains = rows >= 8 ? 1 : 2;  // sums per row
  Vector<lanes> sums[rows][chains] = {};
  Index p = 0;
  for (; p + chains * lanes <= k; p += chains * lanes) {
#pragma GCC unroll 4
    for (int c = 0; c < chains; ++c) {
      const Vector<lanes> numbers = load<lanes>(x + p + c * lanes);
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) sums[r][c] += load<lanes>(A + r * stride + p + c * lanes) * numbers;
    }
  }
  for (; p + lanes <= k; p += lanes) {
    const Vector<lanes> numbers = load<lanes>(x + p);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) sums[r][0] += load<lanes>(A + r * stride + p) * numbers;
  }
  if (p < k) {  // the row's last vector, without the lanes that were counted already
    const auto mask = keep_last<lanes>(k - p);
    const Vector<lanes> numbers = select<lanes>(mask, load<lanes>(x + k - lanes));
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) sums[r][0] += select<lanes>(mask, load<lanes>(A + r * stride + k - lanes)) * numbers;
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    if constexpr (chains == 2) sums[r][0] += sums[r][1];
    const double total = sum(sums[r][0]);
    y[r] = accumulate ? y[r] + total : total;
  }
}

template <class Number>
inline void dot_short_rows(const Number* A, Index stride, Index rows, Index k, const double* x, double* y, bool accumulate) {
  for (Index r = 0; r < rows; ++r) {
    double total = accumulate ? y[r] : 0.0;
    for (Index p = 0; p < k; ++p) total += static_cast<double>(A[r * stride + p]) * x[p];
    y[r] = total;
  }
}

template <int lanes, class Number>
void multiply_vector(const Number* A, Index stride, Index rows, Index k, const double* x, double* y, bool accumulate) {
  if (k < lanes) {
    if constexpr (lanes > 2) return multiply_vector<lanes / 2>(A, stride, rows, k, x, y, accumulate);
    return dot_short_rows(A, stride, rows, k, x, y, accumulate);
  }
  Index r = 0;
  for (; r + 8 <= rows; r += 8) dot_rows<lanes, 8>(A + r * stride, stride, k, x, y + r, accumulate);
  for (; r + 4 <= rows; r += 4) dot_rows<lanes, 4>(A + r * stride, stride, k, x, y + r, accumulate);
  for (; r < rows; ++r) dot_rows<lanes, 1>(A + r * stride, stride, k, x, y + r, accumulate);
}

/// y += x[0] A[0, :] + ... for `rows` rows.
template <int lanes, int rows, class Number>
inline void add_rows(const Number* A, Index stride, Index columns, const double* x, double* y) {
  Index j = 0;
  for (; j + lanes <= columns; j += lanes) {
    Vector<lanes> even = load<lanes>(y + j);
    Vector<lanes> odd = {};
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Vector<lanes> term = load<lanes>(A + r * stride + j) * x[r];
      if (r % 2 == 0) even += term;
      if (r % 2 == 1) odd += term;
    }
    store<lanes>(y + j, even + odd);
  }
  for (; j < columns; ++j) {
    double total = y[j];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) total += static_cast<double>(A[r * stride + j]) * x[r];
    y[j] = total;
  }
}

template <int lanes, class Number>
void add_transposed_vector(const Number* A, Index stride, Index rows, Index columns, const double* x, double* y) {
  Index r = 0;
  for (; r + 8 <= rows; r += 8) add_rows<lanes, 8>(A + r * stride, stride, columns, x + r, y);
  for (; r + 2 <= rows; r += 2) add_rows<lanes, 2>(A + r * stride, stride, columns, x + r, y);
  for (; r < rows; ++r) add_rows<lanes, 1>(A + r * stride, stride, columns, x + r, y);
}

}  // namespace
}  // namespace fastexpr::linalg
