#pragma once

#include "linalg/kernels/thin_products.hpp"

// One triangle of H += P' S, in the tiles of thin_products.hpp. S is padded: a vector past the end of a row may be read.

namespace fastexpr::linalg {
namespace {

template <int lanes, int rows, int vectors>
__attribute__((noinline)) void compute_triangle_tile(const double* P, Index p_stride, const double* S, Index s_stride, Index k,
                                                     double* H, Index n, Index columns, bool is_diagonal) {
  Tile<lanes, rows, vectors> tile;
  tile.template add<TransposedPanel>(P, p_stride, S, s_stride, k);
  if (columns == vectors * lanes && !is_diagonal) return tile.put(H, n, true);
  double whole_tile[rows * vectors * lanes];
  tile.put(whole_tile, vectors * lanes, false);
  put_part<lanes>(whole_tile, rows, vectors * lanes, H, n, columns, true, is_diagonal ? 1 : 0);
}

/// Rows [row, row + rows) of H, from the diagonal to the right.
template <int lanes, int rows>
void add_triangle_rows(const double* P, Index p_stride, const double* S, Index s_stride, Index k, Index n, Index row, double* H) {
  Index vectors = (n - row + lanes - 1) / lanes;
  Index tiles = (vectors + 2) / 3;
  for (Index column = row; tiles > 0; --tiles) {
    const Index width = (vectors + tiles - 1) / tiles;
    const Index columns = n - column < width * lanes ? n - column : width * lanes;
    double* target = H + row * n + column;
    const bool is_diagonal = column < row + rows;
    if (width == 1)
      compute_triangle_tile<lanes, rows, 1>(P + row, p_stride, S + column, s_stride, k, target, n, columns, is_diagonal);
    if (width == 2)
      compute_triangle_tile<lanes, rows, 2>(P + row, p_stride, S + column, s_stride, k, target, n, columns, is_diagonal);
    if (width == 3)
      compute_triangle_tile<lanes, rows, 3>(P + row, p_stride, S + column, s_stride, k, target, n, columns, is_diagonal);
    vectors -= width;
    column += width * lanes;
  }
}

template <int lanes>
void add_triangle(const double* P, Index p_stride, const double* S, Index s_stride, Index k, Index n, Index first, Index last,
                  double* H) {
  constexpr int high = vector_registers >= 32 ? 8 : 4;
  for (Index p = 0; p < k; p += panel_depth, P += panel_depth * p_stride, S += panel_depth * s_stride) {
    const Index depth = k - p < panel_depth ? k - p : panel_depth;
    Index row = first;
    for (; row + high <= last; row += high) add_triangle_rows<lanes, high>(P, p_stride, S, s_stride, depth, n, row, H);
    if constexpr (high > 4) {
      for (; row + 4 <= last; row += 4) add_triangle_rows<lanes, 4>(P, p_stride, S, s_stride, depth, n, row, H);
    }
    for (; row + 2 <= last; row += 2) add_triangle_rows<lanes, 2>(P, p_stride, S, s_stride, depth, n, row, H);
    for (; row < last; ++row) add_triangle_rows<lanes, 1>(P, p_stride, S, s_stride, depth, n, row, H);
  }
}

}  // namespace
}  // namespace fastexpr::linalg
