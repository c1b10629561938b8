#pragma once

#include "linalg/kernels/vectors.hpp"

// Matrix times vector. Every weight is read once, so large ones run at the speed of memory. Eight rows go together, far apart
// from each other: eight streams that run through one memory page after the other, where eight neighbours would give the
// processor's prefetcher a new place to find with every eight rows. What is asked for ahead must not push x out of the
// first-level cache.

namespace fastexpr::linalg {
namespace {

constexpr int streams_of_rows = 8;
/// Vectors of numbers in one step along a row: a line of the cache, or the four that are unrolled below.
template <int lanes, class Number>
constexpr int vectors_in_a_step = [] {
  constexpr int vectors = 64 / (lanes * static_cast<int>(sizeof(Number)));
  return vectors < 4 ? vectors : 4;
}();

/// A number that is known when the code is compiled.
template <int count>
struct Count {
  static constexpr int value = count;
};

/// y[r * apart] (+)= A[r * apart, :] x for r in [0, rows), the numbers of a row in lanes; k >= lanes.
template <int lanes, int rows, class Number>
inline void dot_rows(const Number* A, Index stride, Index apart, Index k, const double* x, double* y, bool accumulate) {
  constexpr int chains = rows >= 8 ? 1 : 2;  // sums per row
  constexpr int step = vectors_in_a_step<lanes, Number>;
  const Index row = apart * stride;
  Vector<lanes> sums[rows][chains] = {};
  Index p = 0;
  for (; p + step * lanes <= k; p += step * lanes) {
    Vector<lanes> numbers[step];
#pragma GCC unroll 4
    for (int c = 0; c < step; ++c) numbers[c] = load<lanes>(x + p + c * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      ask_for_once(A + r * row + p);
#pragma GCC unroll 4
      for (int c = 0; c < step; ++c) sums[r][c % chains] += load<lanes>(A + r * row + p + c * lanes) * numbers[c];
    }
  }
  for (; p + lanes <= k; p += lanes) {
    const Vector<lanes> numbers = load<lanes>(x + p);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) sums[r][0] += load<lanes>(A + r * row + p) * numbers;
  }
  if (p < k) {  // the row's last vector, without the lanes that were counted already
    const auto mask = keep_last<lanes>(k - p);
    const Vector<lanes> numbers = select<lanes>(mask, load<lanes>(x + k - lanes));
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) sums[r][0] += select<lanes>(mask, load<lanes>(A + r * row + k - lanes)) * numbers;
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
    if constexpr (chains == 2) sums[r][0] += sums[r][1];
    const double total = sum(sums[r][0]);
    double& target = y[r * apart];
    target = accumulate ? target + total : total;
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
  constexpr int streams = streams_of_rows;
  const Index apart = rows / streams;
  for (Index r = 0; r < apart; ++r) dot_rows<lanes, streams>(A + r * stride, stride, apart, k, x, y + r, accumulate);
  Index r = apart * streams;
  for (; r + 4 <= rows; r += 4) dot_rows<lanes, 4>(A + r * stride, stride, 1, k, x, y + r, accumulate);
  for (; r < rows; ++r) dot_rows<lanes, 1>(A + r * stride, stride, 1, k, x, y + r, accumulate);
}

/// y += x[0] A[0, :] + x[apart] A[apart, :] + ... for `rows` rows.
template <int lanes, int rows, class Number>
inline void add_rows(const Number* A, Index stride, Index apart, Index columns, const double* x, double* y) {
  constexpr int step = vectors_in_a_step<lanes, Number>;
  const Index row = apart * stride;
  Vector<lanes> factors[rows];
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) factors[r] = Vector<lanes>{} + x[r * apart];
  Index j = 0;
  const auto add = [&](auto count) __attribute__((always_inline)) {
    constexpr int vectors = count.value;
    Vector<lanes> even[vectors];
    Vector<lanes> odd[vectors] = {};
#pragma GCC unroll 4
    for (int c = 0; c < vectors; ++c) even[c] = load<lanes>(y + j + c * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      if constexpr (vectors == step) ask_for_once(A + r * row + j);
#pragma GCC unroll 4
      for (int c = 0; c < vectors; ++c) {
        const Vector<lanes> term = load<lanes>(A + r * row + j + c * lanes) * factors[r];
        if (r % 2 == 0) even[c] += term;
        if (r % 2 == 1) odd[c] += term;
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < vectors; ++c) store<lanes>(y + j + c * lanes, even[c] + odd[c]);
  };
  for (; j + step * lanes <= columns; j += step * lanes) add(Count<step>{});
  if constexpr (step > 1) {
    for (; j + lanes <= columns; j += lanes) add(Count<1>{});
  }
  for (; j < columns; ++j) {
    double total = y[j];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) total += static_cast<double>(A[r * row + j]) * x[r * apart];
    y[j] = total;
  }
}

template <int lanes, class Number>
void add_transposed_vector(const Number* A, Index stride, Index rows, Index columns, const double* x, double* y) {
  constexpr int streams = streams_of_rows;
  const Index apart = rows / streams;
  for (Index r = 0; r < apart; ++r) add_rows<lanes, streams>(A + r * stride, stride, apart, columns, x + r, y);
  Index r = apart * streams;
  for (; r + 2 <= rows; r += 2) add_rows<lanes, 2>(A + r * stride, stride, 1, columns, x + r, y);
  for (; r < rows; ++r) add_rows<lanes, 1>(A + r * stride, stride, 1, columns, x + r, y);
}

}  // namespace
}  // namespace fastexpr::linalg
