#include <algorithm>

#include "linalg/kernels.hpp"
#include "linalg/products.hpp"
#include "linalg/split.hpp"

namespace fastexpr::linalg {
namespace {

constexpr Index parallel_numbers = 1 << 15;
constexpr Index block = 16;  // of a transpose: two cache lines of doubles each way

/// Body(rows of a block, columns of a block) over a grid of blocks.
template <class Body>
void for_blocks(Index rows, Index columns, const Body& body) {
  for (Index i = 0; i < rows; i += block) {
    for (Index j = 0; j < columns; j += block) body(i, std::min(rows, i + block), j, std::min(columns, j + block));
  }
}

}  // namespace

void mirror_upper(double* H, Index n) {
  for (Index i = 0; i < n; i += block) {
    for (Index j = 0; j <= i; j += block) {
      const Index last_row = std::min(n, i + block);
      for (Index row = i; row < last_row; ++row) {
        const Index last_column = std::min(row, j + block);
        for (Index column = j; column < last_column; ++column) H[row * n + column] = H[column * n + row];
      }
    }
  }
}

void scale_rows(const double* d, const double* T, Index rows, Index columns, double* out) {
  split(rows * columns >= parallel_numbers, rows, std::max<Index>(1, 16384 / std::max<Index>(columns, 1)),
        [&](Index begin, Index end) {
          const Index offset = begin * columns;
          kernels().scale_rows(d + begin, 1, T + offset, columns, end - begin, columns, out + offset, columns);
        });
}

void add_scaled_rows(const double* d, const double* T, Index rows, Index columns, double* out) {
  split(rows * columns >= parallel_numbers, rows, std::max<Index>(1, 16384 / std::max<Index>(columns, 1)),
        [&](Index begin, Index end) {
          const Index offset = begin * columns;
          kernels().add_scaled_rows(d + begin, T + offset, end - begin, columns, out + offset);
        });
}

bool are_finite(const double* x, Index count) { return kernels().are_finite(x, count); }

void take_signed(const double* x, Index x_stride, Index rows, Index columns, const double* positive, const double* negative,
                 bool accumulate, double* y) {
  kernels().take_signed(x, x_stride, rows, columns, positive, negative, accumulate, y);
}

void transpose(const double* A, Index rows, Index columns, double* out) {
  for_blocks(rows, columns, [&](Index row, Index last_row, Index column, Index last_column) {
    for (Index j = column; j < last_column; ++j) {
      for (Index i = row; i < last_row; ++i) out[j * rows + i] = A[i * columns + j];
    }
  });
}

}  // namespace fastexpr::linalg
