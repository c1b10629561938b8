#include <algorithm>

#include "linalg/kernels.hpp"
#include "linalg/products.hpp"
#include "linalg/split.hpp"

namespace fastexpr::linalg {
namespace {

constexpr Index parallel_numbers = 1 << 15;
constexpr Index block = 16;  // of a mirrored triangle: two cache lines of doubles each way

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

// Tiles of one cache line each way: more rows at a power of two from each other would not stay in the first-level cache together.
void transpose(const double* A, Index rows, Index columns, double* out) {
  constexpr Index tile = 8;
  for (Index row = 0; row < rows; row += tile) {
    for (Index column = 0; column < columns; column += tile) {
      const double* from = A + row * columns + column;
      double* to = out + column * rows + row;
      if (row + tile <= rows && column + tile <= columns) {  // lengths that the compiler knows
        for (Index j = 0; j < tile; ++j)
          for (Index i = 0; i < tile; ++i) to[j * rows + i] = from[i * columns + j];
        continue;
      }
      for (Index j = 0; j < std::min(tile, columns - column); ++j)
        for (Index i = 0; i < std::min(tile, rows - row); ++i) to[j * rows + i] = from[i * columns + j];
    }
  }
}

}  // namespace fastexpr::linalg
