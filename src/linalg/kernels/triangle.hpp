#pragma once

#include "linalg/kernels/thin_products.hpp"

// One triangle of H += P' S, in the tiles of thin_products.hpp. S is padded: a vector past the end of a row may be read.

namespace fastexpr::linalg {
namespace {

template <int lanes, int rows, int vectors>
__attribute__((noinline)) void compute_triangle_tile(const double* P, Index p_stride, const double* S, Index s_stride, Index k,
                                                     double* H, Index h_stride, Index columns, bool is_diagonal) {
  Tile<lanes, rows, vectors> tile;
  tile.template add<TransposedPanel>(P, p_stride, S, s_stride, k);
  if (columns == vectors * lanes && !is_diagonal) return tile.put(H, h_stride, true);
  double whole_tile[rows * vectors * lanes];
  tile.put(whole_tile, vectors * lanes, false);
  put_part<lanes>(whole_tile, rows, vectors * lanes, H, h_stride, columns, true, is_diagonal ? 1 : 0);
}

/// Rows [row, row + rows) of H, from the diagonal to the right.
template <int lanes, int rows>
void add_triangle_rows(const double* P, Index p_stride, const double* S, Index s_stride, Index k, Index n, Index row, double* H,
                       Index h_stride) {
  Index vectors = (n - row + lanes - 1) / lanes;
  Index column = row;
  const auto add = [&](auto tile, Index width) {
    const Index columns = n - column < width * lanes ? n - column : width * lanes;
    tile(P + row, p_stride, S + column, s_stride, k, H + row * h_stride + column, h_stride, columns, column < row + rows);
  };
  for (Index tiles = (vectors + 2) / 3; tiles > 0; --tiles) {
    const Index width = (vectors + tiles - 1) / tiles;
    if (width == 1) add(compute_triangle_tile<lanes, rows, 1>, 1);
    if (width == 2) add(compute_triangle_tile<lanes, rows, 2>, 2);
    if (width == 3) add(compute_triangle_tile<lanes, rows, 3>, 3);
    vectors -= width;
    column += width * lanes;
  }
}

template <int lanes>
void add_triangle(const double* P, Index p_stride, const double* S, Index s_stride, Index k, Index n, double* H, Index h_stride) {
  constexpr int high = vector_registers >= 32 ? 8 : 4;
  for (Index p = 0; p < k; p += panel_depth, P += panel_depth * p_stride, S += panel_depth * s_stride) {
    const Index depth = k - p < panel_depth ? k - p : panel_depth;
    Index row = 0;
    const auto add = [&](auto rows, Index height) {
      for (; row + height <= n; row += height) rows(P, p_stride, S, s_stride, depth, n, row, H, h_stride);
    };
    add(add_triangle_rows<lanes, high>, high);
    if constexpr (high > 4) add(add_triangle_rows<lanes, 4>, 4);
    add(add_triangle_rows<lanes, 2>, 2);
    add(add_triangle_rows<lanes, 1>, 1);
  }
}

}  // namespace
}  // namespace fastexpr::linalg
