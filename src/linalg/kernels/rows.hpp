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

template <int lanes>
void scale_rows(const double* d, Index d_stride, const double* T, Index stride, Index rows, Index columns, double* out,
                Index out_stride) {
  if (columns == 1 && stride == 1 && d_stride == 1 && out_stride == 1) return multiply_entries<lanes, false>(d, T, rows, out);
  Index i = 0;
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
  for (Index i = 0; i < rows; ++i) scale_row<lanes, true>(d[i], T + i * columns, columns, out + i * columns);
}

}  // namespace
}  // namespace fastexpr::linalg
