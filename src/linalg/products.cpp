#include "linalg/products.hpp"

#include <algorithm>

#include "linalg/blas.hpp"
#include "linalg/kernels.hpp"
#include "linalg/scratch.hpp"
#include "linalg/split.hpp"

namespace fastexpr::linalg {
namespace {

constexpr Index parallel_bytes = 1 << 20;    // of a matrix that is read once: some 15 us
constexpr Index parallel_flops = 2'000'000;  // some 40 us; waking a thread takes 5 to 50 us
constexpr Index wide_panel_rows = 192;       // a widened panel stays in the second-level cache
constexpr Index wide_panel_depth = 512;

constexpr Index most_parts = 16;    // with sums of their own
constexpr Index tile_rows = 8;      // most tiles are as high, or half as high
constexpr Index tiled_rows = 1056;  // of C in one task of own tiles, at most; whole panels

/// A matrix whose numbers are of one type; [row, column] as stored.
template <class Number>
struct Weights {
  const Number* data;
  Index stride;
  const Number* at(Index row, Index column) const { return data + row * stride + column; }
};

/// The rows of a block, `stride` numbers apart.
template <class Number>
struct Rows {
  Number* data;
  Index stride;
};

void multiply_vector(const Weights<float>& A, Index rows, Index k, const double* x, double* y, bool accumulate) {
  kernels().multiply_vector_float(A.data, A.stride, rows, k, x, y, accumulate);
}
void multiply_vector(const Weights<double>& A, Index rows, Index k, const double* x, double* y, bool accumulate) {
  kernels().multiply_vector_double(A.data, A.stride, rows, k, x, y, accumulate);
}
void add_transposed_vector(const Weights<float>& A, Index rows, Index columns, const double* x, double* y) {
  kernels().add_transposed_vector_float(A.data, A.stride, rows, columns, x, y);
}
void add_transposed_vector(const Weights<double>& A, Index rows, Index columns, const double* x, double* y) {
  kernels().add_transposed_vector_double(A.data, A.stride, rows, columns, x, y);
}
void multiply_thin(const Weights<float>& A, bool is_transposed, Index rows, Index k, Rows<const double> B, Index columns,
                   Rows<double> C, bool accumulate, const double* bias) {
  kernels().multiply_thin_float(A.data, A.stride, is_transposed, rows, k, B.data, columns, B.stride, C.data, C.stride, accumulate,
                                bias, scratch(ScratchSlot::panel, thin_buffer_numbers));
}
void multiply_thin(const Weights<double>& A, bool is_transposed, Index rows, Index k, Rows<const double> B, Index columns,
                   Rows<double> C, bool accumulate, const double* bias) {
  kernels().multiply_thin_double(A.data, A.stride, is_transposed, rows, k, B.data, columns, B.stride, C.data, C.stride,
                                 accumulate, bias, scratch(ScratchSlot::panel, thin_buffer_numbers));
}
void widen(const float* x, Index count, double* y) { kernels().widen(x, count, y); }
void widen(const double* x, Index count, double* y) { std::copy(x, x + count, y); }

/// Rows [row, row + rows) and columns [column, column + columns) of A as stored, in double, row after row.
template <class Number>
const double* widened_panel(const Weights<Number>& A, Index row, Index rows, Index column, Index columns) {
  double* panel = scratch(ScratchSlot::panel, wide_panel_rows * wide_panel_depth);
  for (Index i = 0; i < rows; ++i) widen(A.at(row + i, column), columns, panel + i * columns);
  return panel;
}

/// y += A' x. Threads share out the rows, so that each reads a stretch of memory from end to end, and sum into columns of their
/// own; where there are few rows, the columns.
template <class Number>
void add_transposed_column(const Weights<Number>& A, Index rows, Index columns, const double* x, double* y) {
  constexpr Index unit = 64;
  const bool is_large = rows * columns * Index{sizeof(Number)} >= parallel_bytes && num_threads() > 1;
  const Index parts = std::min<Index>(2 * num_threads(), most_parts);
  if (!is_large || rows < unit * parts) {
    split(is_large, (columns + unit - 1) / unit, std::max<Index>(1, 65536 / (unit * rows)), [&](Index begin, Index end) {
      const Index first = begin * unit;
      add_transposed_vector({A.at(0, first), A.stride}, rows, std::min(columns, end * unit) - first, x, y + first);
    });
    return;
  }
  double* sums = scratch(ScratchSlot::partial_sums, (parts - 1) * columns);
  split(true, parts, 1, [&](Index begin, Index end) {
    for (Index part = begin; part < end; ++part) {
      const Index first = rows * part / parts, last = rows * (part + 1) / parts;
      double* target = part == 0 ? y : sums + (part - 1) * columns;
      if (part > 0) std::fill_n(target, columns, 0.0);
      add_transposed_vector({A.at(first, 0), A.stride}, last - first, columns, x + first, target);
    }
  });
  for (Index part = 1; part < parts; ++part, sums += columns) {
    for (Index j = 0; j < columns; ++j) y[j] += sums[j];
  }
}

template <class Number>
void multiply_one_column(const Weights<Number>& A, bool is_transposed, Index rows, Index k, const double* x, double* y,
                         bool accumulate) {
  if (is_transposed) {
    if (!accumulate) std::fill(y, y + rows, 0.0);
    return add_transposed_column(A, k, rows, x, y);
  }
  // In whole units, so that a row is summed in the same order wherever a chunk ends: results do not depend on who is busy.
  constexpr Index unit = 8;
  const Index grain = std::max<Index>(1, 65536 / (unit * k));
  split(rows * k * Index{sizeof(Number)} >= parallel_bytes, (rows + unit - 1) / unit, grain, [&](Index begin, Index end) {
    const Index first = begin * unit;
    multiply_vector({A.at(first, 0), A.stride}, std::min(rows, end * unit) - first, k, x, y + first, accumulate);
  });
}

/// Own tiles, in blocks of rows and, where there are many, of columns of nearly equal width.
template <class Number>
void multiply_tiled(const Weights<Number>& A, bool is_transposed, Index rows, Index k, Rows<const double> B, Index columns,
                    Rows<double> C, bool accumulate, const double* bias) {
  if (columns <= max_thin_columns && 2 * rows * k * columns < parallel_flops) {
    return multiply_thin(A, is_transposed, rows, k, B, columns, C, accumulate, bias);
  }
  const Index column_blocks = (columns + max_thin_columns - 1) / max_thin_columns;
  const Index width = ((columns + column_blocks - 1) / column_blocks + max_lanes - 1) / max_lanes * max_lanes;
  const bool is_large = 2 * rows * k * columns >= parallel_flops;
  Index height = tiled_rows;
  if (is_large && num_threads() > 1) {  // two tasks per thread, not more: they pack B anew
    const Index tasks = std::max<Index>(1, 2 * num_threads() / column_blocks);
    height = std::min(height, ((rows + tasks - 1) / tasks + tile_rows - 1) / tile_rows * tile_rows);
  }
  const Index row_blocks = (rows + height - 1) / height;
  split(is_large, row_blocks * column_blocks, 1, [&](Index begin, Index end) {
    for (Index block = begin; block < end; ++block) {
      const Index first = block / column_blocks * height;
      const Index column = block % column_blocks * width;
      const Weights<Number> part{is_transposed ? A.at(0, first) : A.at(first, 0), A.stride};
      multiply_thin(part, is_transposed, std::min(height, rows - first), k, {B.data + column, B.stride},
                    std::min(width, columns - column), {C.data + first * C.stride + column, C.stride}, accumulate,
                    bias == nullptr ? nullptr : bias + first);
    }
  });
}

/// C[first : first + rows] for a panel's worth of rows, the panel widened a stretch of k at a time.
template <class Number>
void multiply_wide_rows(const Weights<Number>& A, bool is_transposed, Index first, Index rows, Index k, Rows<const double> B,
                        Index columns, Rows<double> C, bool accumulate) {
  for (Index p = 0; p < k; p += wide_panel_depth) {
    const Index depth = std::min(wide_panel_depth, k - p);
    const double* panel = is_transposed ? widened_panel(A, p, depth, first, rows) : widened_panel(A, first, rows, p, depth);
    blas::multiply(is_transposed, false, rows, columns, depth, panel, is_transposed ? rows : depth, B.data + p * B.stride,
                   B.stride, accumulate || p > 0, C.data + first * C.stride, C.stride);
  }
}

template <class Number>
void multiply_many_columns(const Weights<Number>& A, bool is_transposed, Index rows, Index k, Rows<const double> B, Index columns,
                           Rows<double> C, bool accumulate) {
  const Index panels = (rows + wide_panel_rows - 1) / wide_panel_rows;
  const Index height = (rows + panels - 1) / panels;
  split(2 * rows * k * columns >= parallel_flops, panels, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      multiply_wide_rows(A, is_transposed, i * height, std::min(height, rows - i * height), k, B, columns, C, accumulate);
    }
  });
}

template <class Number>
void multiply_stored(const Weights<Number>& A, bool is_transposed, Index rows, Index k, Rows<const double> B, Index columns,
                     Rows<double> C, bool accumulate, const double* bias = nullptr) {
  const bool is_column = columns == 1 && B.stride == 1 && C.stride == 1;
  const bool fits = blas::fits(B.stride) && blas::fits(C.stride);
  const bool is_tiled = columns <= max_thin_columns || kernels().is_faster_than_blas || !fits;
  if (bias != nullptr && (is_column || !is_tiled)) {
    for (Index i = 0; i < rows; ++i) std::fill_n(C.data + i * C.stride, columns, bias[i]);
    accumulate = true;
  }
  if (is_column) return multiply_one_column(A, is_transposed, rows, k, B.data, C.data, accumulate);
  if (is_tiled) return multiply_tiled(A, is_transposed, rows, k, B, columns, C, accumulate, bias);
  multiply_many_columns(A, is_transposed, rows, k, B, columns, C, accumulate);
}

/// C (rows, columns) = B (rows, k) A, A being (k, columns), or stored (columns, k) where transposed.
template <class Number>
void multiply_right_wide(const double* B, Index rows, const Weights<Number>& A, bool is_transposed, Index columns, Index k,
                         double* C, bool accumulate) {
  const Index panels = (columns + wide_panel_rows - 1) / wide_panel_rows;
  split(2 * rows * k * columns >= parallel_flops, panels, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index first = i * wide_panel_rows;
      const Index width = std::min(wide_panel_rows, columns - first);
      for (Index p = 0; p < k; p += wide_panel_depth) {
        const Index depth = std::min(wide_panel_depth, k - p);
        const double* panel = is_transposed ? widened_panel(A, first, width, p, depth) : widened_panel(A, p, depth, first, width);
        blas::multiply(false, is_transposed, rows, width, depth, B + p, k, panel, is_transposed ? depth : width,
                       accumulate || p > 0, C + first, columns);
      }
    }
  });
}

/// Few rows: C' = A' B' has few columns, and turning the thin blocks around costs little beside reading A.
void multiply_right_thin(const double* B, Index rows, const MatrixView& A, bool is_transposed, Index columns, Index k, double* C,
                         bool accumulate) {
  double* turned_B = scratch(ScratchSlot::transposed_in, k * rows);
  double* turned_C = scratch(ScratchSlot::transposed_out, columns * rows);
  transpose(B, rows, k, turned_B);
  if (accumulate) transpose(C, rows, columns, turned_C);
  multiply(A, !is_transposed, turned_B, rows, turned_C, accumulate);
  transpose(turned_C, columns, rows, C);
}

template <class Number>
Weights<Number> stored(const MatrixView& A) {
  return {static_cast<const Number*>(A.data), A.columns};
}

/// Nothing to sum over, or nothing to compute; true where the product is done.
bool is_empty_product(Index size, Index k, double* C, bool accumulate) {
  if (k == 0 && !accumulate) std::fill(C, C + size, 0.0);
  return size == 0 || k == 0;
}

}  // namespace

void multiply(const MatrixView& A, bool is_transposed, const double* B, Index columns, double* C, bool accumulate) {
  multiply_strided(A, is_transposed, B, columns, columns, C, columns, accumulate);
}

void multiply_with_bias(const MatrixView& A, bool is_transposed, const double* B, Index columns, const double* bias, double* C) {
  const Index rows = is_transposed ? A.columns : A.rows;
  const Index k = is_transposed ? A.rows : A.columns;
  if (rows * columns == 0) return;
  if (k == 0) {
    for (Index i = 0; i < rows; ++i) std::fill_n(C + i * columns, columns, bias[i]);
    return;
  }
  const Rows<const double> from{B, columns};
  const Rows<double> to{C, columns};
  if (A.precision == Precision::float32)
    return multiply_stored(stored<float>(A), is_transposed, rows, k, from, columns, to, false, bias);
  multiply_stored(stored<double>(A), is_transposed, rows, k, from, columns, to, false, bias);
}

void multiply_strided(const MatrixView& A, bool is_transposed, const double* B, Index b_stride, Index columns, double* C,
                      Index c_stride, bool accumulate) {
  const Index rows = is_transposed ? A.columns : A.rows;
  const Index k = is_transposed ? A.rows : A.columns;
  if (rows * columns == 0) return;
  if (k == 0) {
    for (Index i = 0; i < rows && !accumulate; ++i) std::fill_n(C + i * c_stride, columns, 0.0);
    return;
  }
  const Rows<const double> from{B, b_stride};
  const Rows<double> to{C, c_stride};
  if (A.precision == Precision::float32)
    return multiply_stored(stored<float>(A), is_transposed, rows, k, from, columns, to, accumulate);
  multiply_stored(stored<double>(A), is_transposed, rows, k, from, columns, to, accumulate);
}

void multiply_part(const MatrixPart& A, bool is_transposed, const double* B, Index b_stride, Index columns, double* C,
                   Index c_stride, bool accumulate) {
  const Index rows = is_transposed ? A.columns : A.rows;
  const Index k = is_transposed ? A.rows : A.columns;
  if (A.precision == Precision::float32) {
    const Weights<float> weights{static_cast<const float*>(A.data), A.stride};
    return multiply_thin(weights, is_transposed, rows, k, {B, b_stride}, columns, {C, c_stride}, accumulate, nullptr);
  }
  const Weights<double> weights{static_cast<const double*>(A.data), A.stride};
  multiply_thin(weights, is_transposed, rows, k, {B, b_stride}, columns, {C, c_stride}, accumulate, nullptr);
}

void multiply_right(const double* B, Index rows, const MatrixView& A, bool is_transposed, double* C, bool accumulate) {
  const Index columns = is_transposed ? A.rows : A.columns;
  const Index k = is_transposed ? A.columns : A.rows;
  if (is_empty_product(rows * columns, k, C, accumulate)) return;
  if (rows == 1) return multiply(A, !is_transposed, B, 1, C, accumulate);
  const bool fits = blas::fits(rows) && blas::fits(columns) && blas::fits(k);
  if (rows <= max_thin_columns) return multiply_right_thin(B, rows, A, is_transposed, columns, k, C, accumulate);
  if (!fits) {
    for (Index i = 0; i < rows; ++i) multiply(A, !is_transposed, B + i * k, 1, C + i * columns, accumulate);
    return;
  }
  if (A.precision == Precision::float32) {
    return multiply_right_wide(B, rows, stored<float>(A), is_transposed, columns, k, C, accumulate);
  }
  multiply_right_wide(B, rows, stored<double>(A), is_transposed, columns, k, C, accumulate);
}

}  // namespace fastexpr::linalg
