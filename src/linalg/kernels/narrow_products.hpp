#pragma once

#include "linalg/kernels.hpp"
#include "linalg/kernels/vectors.hpp"

// C = A B with so few columns that a vector along them would be half empty. The lanes go along what A has contiguous: along k
// for a stored A (sums of dot products), along the rows of C for a transposed one. A is widened on its way into a register.

namespace fastexpr::linalg {
namespace {

constexpr int narrow_sums = vector_registers >= 32 ? 24 : 12;

/// How many vectors of A go with `columns` sums each.
constexpr int narrow_height(int columns) {
  const int height = narrow_sums / columns;
  return height < 1 ? 1 : height > 4 ? 4 : height;
}

/// C[r, j] (+)= dot(A[r, :], B'[j, :]) for `rows` rows; B' (columns, k) of row stride `b_stride`, zero from k to the next vector.
template <int lanes, int rows, int columns, class Number>
__attribute__((noinline)) void dot_tile(const Number* A, Index stride, Index k, const double* B, Index b_stride, double* C,
                                        Index c_stride, bool accumulate) {
  Vector<lanes> sums[rows][columns] = {};
  Index p = 0;
  const auto add = [&](const Vector<lanes>(&a)[rows]) __attribute__((always_inline)) {
#pragma GCC unroll 32
    for (int j = 0; j < columns; ++j) {
      const Vector<lanes> b = load<lanes>(B + j * b_stride + p);
#pragma GCC unroll 32
      for (int r = 0; r < rows; ++r) sums[r][j] += a[r] * b;
    }
  };
  Vector<lanes> a[rows];
  for (; p + lanes <= k; p += lanes) {
#pragma GCC unroll 32
    for (int r = 0; r < rows; ++r) {
      ask_for_once(A + r * stride + p);
      a[r] = load<lanes>(A + r * stride + p);
    }
    add(a);
  }
  if (p < k) {
    for (int r = 0; r < rows; ++r) {
      double rest[lanes] = {};
      for (Index i = 0; p + i < k; ++i) rest[i] = A[r * stride + p + i];
      a[r] = load<lanes>(rest);
    }
    add(a);
  }
  double totals[rows * columns];
  put_sums<lanes, rows * columns>(&sums[0][0], totals);
#pragma GCC unroll 32
  for (int r = 0; r < rows; ++r) {
    double* target = C + r * c_stride;
    const double* total = totals + r * columns;
    if (accumulate)
      for (int j = 0; j < columns; ++j) target[j] += total[j];
    else
      for (int j = 0; j < columns; ++j) target[j] = total[j];
  }
}

template <int lanes, int columns, class Number>
void multiply_narrow_stored(const Number* A, Index stride, Index rows, Index k, const double* B, Index b_stride, double* C,
                            Index c_stride, bool accumulate, double* buffer) {
  const Index padded = (k + lanes - 1) / lanes * lanes;
  const Index turned_stride = padded + lanes;
  for (int j = 0; j < columns; ++j) {
    for (Index p = 0; p < k; ++p) buffer[j * turned_stride + p] = B[p * b_stride + j];
    for (Index p = k; p < padded; ++p) buffer[j * turned_stride + p] = 0.0;
  }
  constexpr int high = narrow_height(columns);
  Index r = 0;
  for (; r + high <= rows; r += high) {
    dot_tile<lanes, high, columns>(A + r * stride, stride, k, buffer, turned_stride, C + r * c_stride, c_stride, accumulate);
  }
  for (; r < rows; ++r) {
    dot_tile<lanes, 1, columns>(A + r * stride, stride, k, buffer, turned_stride, C + r * c_stride, c_stride, accumulate);
  }
}

/// sums (columns, rows of row stride `sum_stride`) += sum_p A[p, r] B[p, j] for `vectors` vectors of rows r.
template <int lanes, int vectors, int columns, class Number>
__attribute__((noinline)) void outer_tile(const Number* A, Index stride, Index k, const double* B, Index b_stride, double* sums,
                                          Index sum_stride, bool is_first) {
  Vector<lanes> total[columns][vectors] = {};
  for (Index p = 0; p < k; ++p) {
    Vector<lanes> a[vectors];
    ask_for_once(A + p * stride);
#pragma GCC unroll 32
    for (int v = 0; v < vectors; ++v) a[v] = load<lanes>(A + p * stride + v * lanes);
#pragma GCC unroll 32
    for (int j = 0; j < columns; ++j) {
      const double b = B[p * b_stride + j];
#pragma GCC unroll 32
      for (int v = 0; v < vectors; ++v) total[j][v] += b * a[v];
    }
  }
#pragma GCC unroll 32
  for (int j = 0; j < columns; ++j) {
#pragma GCC unroll 32
    for (int v = 0; v < vectors; ++v) {
      double* target = sums + j * sum_stride + v * lanes;
      store<lanes>(target, is_first ? total[j][v] : load<lanes>(target) + total[j][v]);
    }
  }
}

/// Rows of A are read side by side, a few at a time: a tile over all of k would touch another page of memory with every row, and
/// rows that lie far apart share the few places that the first-level cache has for them.
template <class Number>
inline Index streams(Index stride) {
  return stride * static_cast<Index>(sizeof(Number)) <= 2048 ? 64 : 32;
}

/// `rows` rows of C, at least one vector of them; the sums are made in `buffer` (columns, rows) and turned around at the end.
template <int lanes, int columns, class Number>
void multiply_narrow_rows(const Number* A, Index stride, Index rows, Index k, const double* B, Index b_stride, double* C,
                          Index c_stride, bool accumulate, double* buffer) {
  constexpr int vectors = narrow_height(columns);
  const Index step = streams<Number>(stride);
  for (Index p = 0; p < k; p += step) {
    const Index depth = k - p < step ? k - p : step;
    const Number* from = A + p * stride;
    const double* b = B + p * b_stride;
    Index r = 0;
    for (; r + vectors * lanes <= rows; r += vectors * lanes) {
      outer_tile<lanes, vectors, columns>(from + r, stride, depth, b, b_stride, buffer + r, rows, p == 0);
    }
    for (; r + lanes <= rows; r += lanes) {
      outer_tile<lanes, 1, columns>(from + r, stride, depth, b, b_stride, buffer + r, rows, p == 0);
    }
    for (; r < rows; ++r) {
      for (int j = 0; j < columns; ++j) {
        double total = p == 0 ? 0.0 : buffer[j * rows + r];
        for (Index i = 0; i < depth; ++i) total += static_cast<double>(from[i * stride + r]) * b[i * b_stride + j];
        buffer[j * rows + r] = total;
      }
    }
  }
  for (Index r = 0; r < rows; ++r) {
    for (int j = 0; j < columns; ++j) {
      double& target = C[r * c_stride + j];
      target = accumulate ? target + buffer[j * rows + r] : buffer[j * rows + r];
    }
  }
}

template <int lanes, int columns, class Number>
void multiply_narrow_transposed(const Number* A, Index stride, Index rows, Index k, const double* B, Index b_stride, double* C,
                                Index c_stride, bool accumulate, double* buffer) {
  const Index step = thin_buffer_numbers / columns / (4 * lanes) * (4 * lanes);
  for (Index r = 0; r < rows; r += step) {
    const Index height = rows - r < step ? rows - r : step;
    multiply_narrow_rows<lanes, columns>(A + r, stride, height, k, B, b_stride, C + r * c_stride, c_stride, accumulate, buffer);
  }
}

template <int lanes>
constexpr int max_stored_columns = lanes == 8 ? 12 : 10;
template <int lanes>
constexpr int max_transposed_columns = lanes == 8 ? narrow_sums : 12;

/// True where it has computed the product: few columns, and vectors enough to fill along the other side.
template <int lanes, class Number, int columns = max_transposed_columns<lanes>>
bool multiply_narrow(const Number* A, Index stride, bool is_transposed, Index rows, Index k, const double* B, Index n,
                     Index b_stride, double* C, Index c_stride, bool accumulate, double* buffer) {
  if constexpr (columns >= 2) {
    if (n != columns) {
      return multiply_narrow<lanes, Number, columns - 1>(A, stride, is_transposed, rows, k, B, n, b_stride, C, c_stride,
                                                         accumulate, buffer);
    }
    if (is_transposed && rows >= 2 * lanes) {
      multiply_narrow_transposed<lanes, columns>(A, stride, rows, k, B, b_stride, C, c_stride, accumulate, buffer);
      return true;
    }
    if constexpr (columns <= max_stored_columns<lanes>) {
      const bool is_long = k >= (columns <= 7 ? 16 : 48) && columns * (k + 2 * lanes) <= thin_buffer_numbers;
      if (!is_transposed && is_long) {
        multiply_narrow_stored<lanes, columns>(A, stride, rows, k, B, b_stride, C, c_stride, accumulate, buffer);
        return true;
      }
    }
  }
  return false;
}

}  // namespace
}  // namespace fastexpr::linalg
