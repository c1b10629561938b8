#pragma once

#include "linalg/kernels.hpp"
#include "linalg/kernels/narrow_products.hpp"
#include "linalg/kernels/vectors.hpp"

// C = A B with few columns. The numbers of a row of B stand in lanes, a tile of C in registers, and the entries of A are
// broadcast. A comes from a widened panel in the second-level cache: [row][p] of fixed row stride as stored, or [p][row] for a
// transposed one; the columns of B under one tile stay in the first.
// A row of B is read up to a whole vector: what lies behind it is the next row, whose products land in lanes that nobody
// stores. Only the last rows have nothing behind them; they come from a padded copy.

namespace fastexpr::linalg {
namespace {

constexpr Index tail_stride = max_thin_columns + max_lanes;

/// How many vectors wide a tile may be, and how high one of that width: as many sums as there are registers.
template <int lanes>
constexpr int max_tile_vectors = vector_registers < 32 ? 3
                                 : lanes == 8          ? 4
                                                       : 6;
constexpr int tile_rows(int vectors) {
  if (vector_registers < 32) return vectors == 1 ? 8 : vectors == 2 ? 6 : 4;
  return vectors <= 2 ? 12 : vectors == 3 ? 8 : vectors == 4 ? 6 : 4;
}

/// Entry (row, p) of A is A[row * row_stride + p * depth_stride].
struct StoredPanel {
  static constexpr Index row_stride = panel_stride;
  static constexpr Index depth_stride(Index) { return 1; }
};
struct TransposedPanel {
  static constexpr Index row_stride = 1;
  static constexpr Index depth_stride(Index stride) { return stride; }
};

template <int lanes, int rows, int vectors>
struct Tile {
  Vector<lanes> sums[rows][vectors] = {};

  template <class Panel>
  __attribute__((always_inline)) void add(const double* A, Index a_stride, const double* B, Index b_stride, Index k) {
    for (Index p = 0; p < k; ++p) {
      Vector<lanes> b[vectors];
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) b[v] = load<lanes>(B + v * lanes);
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) {
        const double a = A[r * Panel::row_stride];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v) sums[r][v] += a * b[v];
      }
      A += Panel::depth_stride(a_stride);
      B += b_stride;
    }
  }

  __attribute__((always_inline)) void start_from(const double* bias) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) sums[r][v] += bias[r];
    }
  }

  __attribute__((always_inline)) void put(double* C, Index c_stride, bool accumulate) const {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < vectors; ++v) {
        double* target = C + r * c_stride + v * lanes;
        store<lanes>(target, accumulate ? load<lanes>(target) + sums[r][v] : sums[r][v]);
      }
    }
  }
};

/// The part of a tile that C has: `columns` columns, in row r from column r * slope on.
template <int lanes>
__attribute__((noinline)) void put_part(const double* tile, Index rows, Index tile_columns, double* C, Index c_stride,
                                        Index columns, bool accumulate, Index slope) {
  for (Index r = 0; r < rows; ++r, tile += tile_columns, C += c_stride) {
    Index j = r * slope;
    if (accumulate) {
      for (; j + lanes <= columns; j += lanes) store<lanes>(C + j, load<lanes>(C + j) + load<lanes>(tile + j));
      for (; j < columns; ++j) C[j] += tile[j];
    } else {
      for (; j + lanes <= columns; j += lanes) store<lanes>(C + j, load<lanes>(tile + j));
      for (; j < columns; ++j) C[j] = tile[j];
    }
  }
}

/// B (k, columns), whose rows from `whole` on come from a padded copy.
struct ThinBlock {
  const double* rows;
  Index stride;
  Index whole;
  const double* tail;
};

struct Target {
  double* C;
  Index stride;
  Index columns;  // of the tile
  bool accumulate;
  const double* bias;  // of its rows, or null
};

template <int lanes, int rows, int vectors, class Panel>
__attribute__((noinline)) void compute_tile(const double* A, Index a_stride, const ThinBlock& B, Index k, const Target& target) {
  Tile<lanes, rows, vectors> tile;
  if (target.bias != nullptr) tile.start_from(target.bias);
  const Index whole = B.whole < k ? B.whole : k;
  tile.template add<Panel>(A, a_stride, B.rows, B.stride, whole);
  if (whole < k) tile.template add<Panel>(A + whole * Panel::depth_stride(a_stride), a_stride, B.tail, tail_stride, k - whole);
  if (target.columns == vectors * lanes) return tile.put(target.C, target.stride, target.accumulate);
  double whole_tile[rows * vectors * lanes];
  tile.put(whole_tile, vectors * lanes, false);
  put_part<lanes>(whole_tile, rows, vectors * lanes, target.C, target.stride, target.columns, target.accumulate, 0);
}

template <int lanes, int vectors, class Panel>
void compute_rows(const double* A, Index a_stride, Index rows, const ThinBlock& B, Index k, Target target) {
  constexpr int high = tile_rows(vectors);
  const auto step = [&](int count) {
    A += count * Panel::row_stride;
    target.C += count * target.stride;
    if (target.bias != nullptr) target.bias += count;
    rows -= count;
  };
  for (; rows >= high; step(high)) compute_tile<lanes, high, vectors, Panel>(A, a_stride, B, k, target);
  for (; rows >= 4; step(4)) compute_tile<lanes, 4, vectors, Panel>(A, a_stride, B, k, target);
  for (; rows >= 2; step(2)) compute_tile<lanes, 2, vectors, Panel>(A, a_stride, B, k, target);
  for (; rows >= 1; step(1)) compute_tile<lanes, 1, vectors, Panel>(A, a_stride, B, k, target);
}

template <int lanes, class Panel, int vectors = max_tile_vectors<lanes>>
void compute_rows_of_width(Index width, const double* A, Index a_stride, Index rows, const ThinBlock& B, Index k,
                           const Target& target) {
  if constexpr (vectors > 1) {
    if (width < vectors) return compute_rows_of_width<lanes, Panel, vectors - 1>(width, A, a_stride, rows, B, k, target);
  }
  compute_rows<lanes, vectors, Panel>(A, a_stride, rows, B, k, target);
}

/// Column tiles of nearly equal width: body(first column, vectors).
template <int lanes, class Body>
inline void for_tiles(Index columns, const Body& body) {
  Index vectors = (columns + lanes - 1) / lanes;
  Index first = 0;
  for (Index tiles = (vectors + max_tile_vectors<lanes> - 1) / max_tile_vectors<lanes>; tiles > 0; --tiles) {
    const Index width = (vectors + tiles - 1) / tiles;
    body(first, width);
    vectors -= width;
    first += width * lanes;
  }
}

/// One panel of A times all columns of B.
template <int lanes, class Panel>
void multiply_panel(const double* A, Index a_stride, Index rows, const ThinBlock& B, Index k, const Target& target) {
  for_tiles<lanes>(target.columns, [&](Index first, Index width) {
    ThinBlock slice{B.rows + first, B.stride, B.whole, B.tail + first};
    if (B.tail == nullptr) slice = {B.rows + first * panel_depth, width * lanes, k, nullptr};
    const Index left = target.columns - first;
    const Target part{target.C + first, target.stride, left < width * lanes ? left : width * lanes, target.accumulate,
                      target.bias};
    compute_rows_of_width<lanes, Panel>(width, A, a_stride, rows, slice, k, part);
  });
}

/// Rows of B as multiply_panel reads them where there is no tail: tile after tile, each contiguous and padded.
template <int lanes>
void pack(const double* B, Index stride, Index depth, Index columns, double* out) {
  for_tiles<lanes>(columns, [&](Index first, Index width) {
    const Index count = columns - first < width * lanes ? columns - first : width * lanes;
    double* target = out + first * panel_depth;
    for (Index p = 0; p < depth; ++p, target += width * lanes) {
      Index j = 0;
      for (; j + lanes <= count; j += lanes) store<lanes>(target + j, load<lanes>(B + p * stride + first + j));
      for (; j < count; ++j) target[j] = B[p * stride + first + j];
      for (; j < width * lanes; ++j) target[j] = 0.0;
    }
  });
}

template <int lanes>
inline void widen_row(const float* x, Index count, double* y) {
  Index i = 0;
  for (; i + lanes <= count; i += lanes) store<lanes>(y + i, load<lanes>(x + i));
  for (; i < count; ++i) y[i] = x[i];
}
template <int lanes>
inline void widen_row(const double* x, Index count, double* y) {
  Index i = 0;
  for (; i + lanes <= count; i += lanes) store<lanes>(y + i, load<lanes>(x + i));
  for (; i < count; ++i) y[i] = x[i];
}

/// Asks for numbers that are wanted after the next panel's product.
template <class Number>
inline void prefetch(const Number* x, Index count) {
  constexpr Index in_a_line = 64 / sizeof(Number);
  for (Index i = 0; i < count; i += in_a_line) __builtin_prefetch(x + i);
}

/// Copies the last rows of B, those whose vectors would reach past its end; returns how many.
template <int lanes>
Index copy_tail(const double* B, Index k, Index columns, Index stride, double* tail) {
  const Index padded = (columns + lanes - 1) / lanes * lanes;
  Index rows = (padded - columns + stride - 1) / stride;
  if (rows > k) rows = k;
  for (Index t = 0; t < rows; ++t, tail += tail_stride) {
    for (Index j = 0; j < columns; ++j) tail[j] = B[(k - rows + t) * stride + j];
    for (Index j = columns; j < padded; ++j) tail[j] = 0.0;
  }
  return rows;
}

/// Where many rows use B it is packed; where few do, its rows are read in place.
constexpr Index min_rows_to_pack = 48;

/// Whether all of B stays in the caches as it stands: whole vectors, one panel of k, and rows that do not share cache sets.
template <int lanes>
inline bool is_read_in_place(Index k, Index columns, Index stride) {
  constexpr Index shared = 512 / sizeof(double);
  return k <= panel_depth && columns % lanes == 0 && stride % shared != 0;
}

template <int lanes, class Number>
void multiply_thin(const Number* A, Index stride, bool is_transposed, Index rows, Index k, const double* B, Index columns,
                   Index b_stride, double* C, Index c_stride, bool accumulate, const double* bias, double* buffer) {
  if (columns <= max_transposed_columns<lanes> &&
      multiply_narrow<lanes>(A, stride, is_transposed, rows, k, B, columns, b_stride, C, c_stride, accumulate, buffer)) {
    for (Index r = 0; bias != nullptr && r < rows; ++r)
      for (Index j = 0; j < columns; ++j) C[r * c_stride + j] += bias[r];
    return;
  }
  alignas(64) double tail[lanes * tail_stride];
  double* const packed = buffer + panel_rows * panel_stride;
  const bool is_packed = rows >= min_rows_to_pack && !is_read_in_place<lanes>(k, columns, b_stride);
  const Index tail_rows = is_packed ? 0 : copy_tail<lanes>(B, k, columns, b_stride, tail);
  const Index step = columns <= 4 * lanes ? panel_rows / 4 : panel_rows;  // a small B leaves the first-level cache to A
  for (Index p = 0; p < k; p += panel_depth) {
    const Index depth = k - p < panel_depth ? k - p : panel_depth;
    const Index whole = k - tail_rows - p;  // negative: the tail began before this block
    ThinBlock block{B + p * b_stride, b_stride, whole > 0 ? whole : 0, whole < 0 ? tail - whole * tail_stride : tail};
    if (is_packed) {
      pack<lanes>(B + p * b_stride, b_stride, depth, columns, packed);
      block = {packed, 0, depth, nullptr};
    }
    for (Index r = 0; r < rows; r += step) {
      const Index height = rows - r < step ? rows - r : step;
      const Target target{C + r * c_stride, c_stride, columns, accumulate || p > 0,
                          bias == nullptr || p > 0 ? nullptr : bias + r};
      const bool is_last = r + step >= rows;
      if (is_transposed) {
        for (Index i = 0; i < depth; ++i) {
          const Number* row = A + (p + i) * stride + r;
          widen_row<lanes>(row, height, buffer + i * panel_rows);
          if (!is_last) prefetch(row + step, height);
        }
        multiply_panel<lanes, TransposedPanel>(buffer, panel_rows, height, block, depth, target);
      } else {
        for (Index i = 0; i < height; ++i) {
          const Number* row = A + (r + i) * stride + p;
          widen_row<lanes>(row, depth, buffer + i * panel_stride);
          if (!is_last) prefetch(row + step * stride, depth);
        }
        multiply_panel<lanes, StoredPanel>(buffer, panel_stride, height, block, depth, target);
      }
    }
  }
}

}  // namespace
}  // namespace fastexpr::linalg
