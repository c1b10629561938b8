#pragma once

#include "linalg/kernels/vectors.hpp"

namespace fastexpr::linalg {
namespace {

/// y = a x, or y += a x.
template <int lanes, bool accumulate>
inline void scale_row(double a, const double* x, Index count, double* y) {
  Index j = 0;
  for (; j + lanes <= count; j += lanes) {
    Vector<lanes> product = a * load<lanes>(x + j);
    if constexpr (accumulate) product += load<lanes>(y + j);
    store<lanes>(y + j, product);
  }
  if constexpr (lanes > 2) return scale_row<lanes / 2, accumulate>(a, x + j, count - j, y + j);
  for (; j < count; ++j) y[j] = accumulate ? y[j] + a * x[j] : a * x[j];
}

/// y = d x, or y += d x, entry by entry.
template <int lanes, bool accumulate>
inline void multiply_entries(const double* d, const double* x, Index count, double* y) {
  Index j = 0;
  for (; j + lanes <= count; j += lanes) {
    Vector<lanes> product = load<lanes>(d + j) * load<lanes>(x + j);
    if constexpr (accumulate) product += load<lanes>(y + j);
    store<lanes>(y + j, product);
  }
  for (; j < count; ++j) y[j] = accumulate ? y[j] + d[j] * x[j] : d[j] * x[j];
}

constexpr Index most_in_short_rows = 16;

/// Of `lanes` rows of `columns` numbers: the row of each number.
template <int lanes>
struct RowsOfNumbers {
  long rows[most_in_short_rows + 1][most_in_short_rows * lanes];
  constexpr RowsOfNumbers() : rows() {
    for (Index columns = 1; columns <= most_in_short_rows; ++columns)
      for (Index i = 0; i < columns * lanes; ++i) rows[columns][i] = i / columns;
  }
};
template <int lanes>
constexpr RowsOfNumbers<lanes> rows_of_numbers;

template <int lanes>
inline Vector<lanes> pick(Vector<lanes> numbers, const long* places) {
#if defined(__clang__)
  Vector<lanes> picked;
  for (int i = 0; i < lanes; ++i) picked[i] = numbers[places[i]];
  return picked;
#else
  return __builtin_shuffle(numbers, reinterpret_cast<const Loose<typename VectorTypes<lanes>::Mask>*>(places)->numbers);
#endif
}

/// out = d T, or += that, row by row, for contiguous rows of few numbers: `lanes` rows are whole vectors, whose factors are
/// picked from one. Returns how many rows it has done.
template <int lanes, bool accumulate>
inline Index scale_short_rows(const double* d, const double* T, Index rows, Index columns, double* out) {
  Index i = 0;
  for (; i + lanes <= rows; i += lanes) {
    const Vector<lanes> factors = load<lanes>(d + i);
    const long* places = rows_of_numbers<lanes>.rows[columns];
    for (Index j = 0; j < columns * lanes; j += lanes) {
      Vector<lanes> product = pick<lanes>(factors, places + j) * load<lanes>(T + i * columns + j);
      if constexpr (accumulate) product += load<lanes>(out + i * columns + j);
      store<lanes>(out + i * columns + j, product);
    }
  }
  return i;
}

template <int lanes>
constexpr bool has_short_rows = lanes >= 4;

template <int lanes>
void scale_rows(const double* d, Index d_stride, const double* T, Index stride, Index rows, Index columns, double* out,
                Index out_stride) {
  if (columns == 1 && stride == 1 && d_stride == 1 && out_stride == 1) return multiply_entries<lanes, false>(d, T, rows, out);
  Index i = 0;
  if (has_short_rows<lanes> && columns <= most_in_short_rows && stride == columns && out_stride == columns && d_stride == 1)
    i = scale_short_rows<lanes, false>(d, T, rows, columns, out);
  if (out_stride >= columns + lanes) {  // a padded target takes whole vectors, where those can be read
    const Index whole_rows = rows - (lanes + stride - 1) / stride;
    for (; i < whole_rows; ++i) {
      const double factor = d[i * d_stride];
      for (Index j = 0; j < columns; j += lanes) store<lanes>(out + i * out_stride + j, factor * load<lanes>(T + i * stride + j));
    }
  }
  for (; i < rows; ++i) scale_row<lanes, false>(d[i * d_stride], T + i * stride, columns, out + i * out_stride);
}

template <int lanes>
void add_scaled_rows(const double* d, const double* T, Index rows, Index columns, double* out) {
  if (columns == 1) return multiply_entries<lanes, true>(d, T, rows, out);
  Index i = 0;
  if (has_short_rows<lanes> && columns <= most_in_short_rows) i = scale_short_rows<lanes, true>(d, T, rows, columns, out);
  for (; i < rows; ++i) scale_row<lanes, true>(d[i], T + i * columns, columns, out + i * columns);
}

template <int lanes>
bool are_finite(const double* x, Index count) {
  Vector<lanes> products[2] = {};  // 0 times what is not finite is NaN
  Index i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    products[0] += 0.0 * load<lanes>(x + i);
    products[1] += 0.0 * load<lanes>(x + i + lanes);
  }
  double total = sum(products[0] + products[1]);
  for (; i < count; ++i) total += 0.0 * x[i];
  return total == 0.0;
}

/// y = positive part of x times `positive` + negative part times `negative`, or += that.
template <int lanes, bool accumulate>
inline void take_signed_row(const double* x, Index count, double positive, double negative, double* y) {
  Index j = 0;
  for (; j + lanes <= count; j += lanes) {
    const Vector<lanes> numbers = load<lanes>(x + j);
    const Vector<lanes> above = select<lanes>(numbers > 0.0, numbers);
    Vector<lanes> taken = positive * above + negative * (numbers - above);
    if constexpr (accumulate) taken += load<lanes>(y + j);
    store<lanes>(y + j, taken);
  }
  if constexpr (lanes > 2) return take_signed_row<lanes / 2, accumulate>(x + j, count - j, positive, negative, y + j);
  for (; j < count; ++j) {
    const double taken = x[j] > 0 ? positive * x[j] : negative * x[j];
    y[j] = accumulate ? y[j] + taken : taken;
  }
}

/// The same with factors for each entry.
template <int lanes, bool accumulate>
inline void take_signed_entries(const double* x, Index count, const double* positive, const double* negative, double* y) {
  Index j = 0;
  for (; j + lanes <= count; j += lanes) {
    const Vector<lanes> numbers = load<lanes>(x + j);
    const Vector<lanes> above = select<lanes>(numbers > 0.0, numbers);
    Vector<lanes> taken = load<lanes>(positive + j) * above + load<lanes>(negative + j) * (numbers - above);
    if constexpr (accumulate) taken += load<lanes>(y + j);
    store<lanes>(y + j, taken);
  }
  for (; j < count; ++j) {
    const double taken = x[j] > 0 ? positive[j] * x[j] : negative[j] * x[j];
    y[j] = accumulate ? y[j] + taken : taken;
  }
}

template <int lanes, bool accumulate>
inline void take_signed_rows(const double* x, Index x_stride, Index rows, Index columns, const double* positive,
                             const double* negative, double* y) {
  if (columns == 1 && x_stride == 1) return take_signed_entries<lanes, accumulate>(x, rows, positive, negative, y);
  if (columns == 1 && x_stride == 0) return scale_row<lanes, accumulate>(x[0], x[0] > 0 ? positive : negative, rows, y);
  for (Index i = 0; i < rows; ++i, x += x_stride, y += columns)
    if (!accumulate || positive[i] != 0 || negative[i] != 0)
      take_signed_row<lanes, accumulate>(x, columns, positive[i], negative[i], y);
}

template <int lanes>
void take_signed(const double* x, Index x_stride, Index rows, Index columns, const double* positive, const double* negative,
                 bool accumulate, double* y) {
  if (accumulate) return take_signed_rows<lanes, true>(x, x_stride, rows, columns, positive, negative, y);
  take_signed_rows<lanes, false>(x, x_stride, rows, columns, positive, negative, y);
}

}  // namespace
}  // namespace fastexpr::linalg
