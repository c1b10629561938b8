#include <algorithm>

#include "linalg/blas.hpp"
#include "linalg/kernels.hpp"
#include "linalg/products.hpp"
#include "linalg/scratch.hpp"
#include "linalg/split.hpp"

// One triangle of H += T' diag(q) T and H += T' S. Rows are taken a panel at a time: scaled into a buffer of this thread, and
// those with q == 0 left out. H is updated in blocks of rows: a triangle on the diagonal, a rectangle to the right of it.
// Threads share out the rows of T where H is small, each with an H of its own, and the blocks of H where it is not.

namespace fastexpr::linalg {
namespace {

constexpr Index parallel_flops = 2'000'000;        // some 40 us
constexpr Index parallel_block_flops = 8'000'000;  // of a panel, whose blocks are shared
constexpr Index small_n = 256;                     // up to here an H for every thread pays
constexpr Index most_parts = 8;                    // with an H of their own
constexpr Index block_rows = 192;                  // of H
constexpr Index shared_block_rows = 96;
constexpr Index blas_n = 48;  // from here on OpenBLAS is faster than own kernels without AVX

bool shares_blocks(Index rows, Index n) { return n > small_n && rows * n * n >= parallel_block_flops && num_threads() > 1; }

/// Of T, in a panel: T and the scaled rows stay in the second-level cache, of small ones in the first.
Index rows_in_panel(Index n) {
  if (!kernels().is_faster_than_blas && n >= blas_n) return 512;
  return std::clamp<Index>(2560 / n, 128, 512);
}

struct Panel {
  const double* numbers;
  Index stride;
  Index rows;
};

bool uses_blas(const Panel& P, const Panel& S, Index n) {
  return !kernels().is_faster_than_blas && n >= blas_n && blas::fits(P.stride) && blas::fits(S.stride);
}

/// Rows [first, last) of H's upper triangle += P' S.
void add_block(const Panel& P, const Panel& S, Index n, Index first, Index last, double* H) {
  const double* left = P.numbers + first;
  double* diagonal = H + first * n + first;
  const Index height = last - first;
  if (uses_blas(P, S, n)) {
    blas::add_triangle(height, P.rows, left, P.stride, S.numbers + first, S.stride, diagonal, n);
    if (last == n) return;
    return blas::multiply(true, false, height, n - last, P.rows, left, P.stride, S.numbers + last, S.stride, true,
                          H + first * n + last, n);
  }
  kernels().add_triangle(left, P.stride, S.numbers + first, S.stride, P.rows, height, diagonal, n);
  for (Index column = last; column < n; column += max_thin_columns) {
    kernels().multiply_thin_double(left, P.stride, true, height, P.rows, S.numbers + column,
                                   std::min(max_thin_columns, n - column), S.stride, H + first * n + column, n, true, nullptr,
                                   scratch(ScratchSlot::panel, thin_buffer_numbers));
  }
}

/// H += P' S, both (rows, n); behind each row of S there are max_lanes more readable numbers.
void add_panel(const Panel& P, const Panel& S, Index n, double* H) {
  const bool is_shared = shares_blocks(P.rows, n);
  const Index height = is_shared ? shared_block_rows : uses_blas(P, S, n) ? n : block_rows;
  split(is_shared, (n + height - 1) / height, 1, [&](Index begin, Index end) {
    for (Index block = begin; block < end; ++block) add_block(P, S, n, block * height, std::min(n, (block + 1) * height), H);
  });
}

/// The rows with q != 0 of a panel, joined.
Panel compact(const double* T, Index stride, const double* q, Index q_stride, Index rows, Index n, double* kept_q) {
  double* target = scratch(ScratchSlot::compacted, rows * n);
  Index kept = 0;
  for (Index i = 0; i < rows; ++i) {
    if (q[i * q_stride] == 0.0) continue;
    std::copy(T + i * stride, T + i * stride + n, target + kept * n);
    kept_q[kept++] = q[i * q_stride];
  }
  return {target, n, kept};
}

void add_scaled_gram_here(const double* T, Index stride, const double* q, Index q_stride, Index rows, Index n, double* H) {
  const Index padded = n + max_lanes;
  const Index step = rows_in_panel(n);
  for (Index first = 0; first < rows; first += step, T += step * stride, q += step * q_stride) {
    const Index count = std::min(step, rows - first);
    double* scaled = scratch(ScratchSlot::scaled, std::min(step, rows) * (padded + 1));
    double* kept_q = scaled + count * padded;
    Index zeros = 0;
    for (Index i = 0; i < count; ++i) zeros += q[i * q_stride] == 0.0;
    if (zeros == count) continue;
    Panel P{T, stride, count};
    if (zeros > 0) P = compact(T, stride, q, q_stride, count, n, kept_q);
    const double* factors = zeros > 0 ? kept_q : q;
    const Index factor_stride = zeros > 0 ? 1 : q_stride;
    split(shares_blocks(P.rows, n), P.rows, 64, [&](Index begin, Index end) {
      kernels().scale_rows(factors + begin * factor_stride, factor_stride, P.numbers + begin * P.stride, P.stride, end - begin, n,
                           scaled + begin * padded, padded);
    });
    add_panel(P, {scaled, padded, P.rows}, n, H);
  }
}

void add_product_triangle_here(const double* T, const double* S, Index stride, Index rows, Index n, double* H) {
  const Index padded = n + max_lanes;
  const Index step = rows_in_panel(n);
  for (Index first = 0; first < rows; first += step) {
    const Index count = std::min(step, rows - first);
    double* copy = scratch(ScratchSlot::scaled, std::min(step, rows) * padded);
    for (Index i = 0; i < count; ++i) std::copy(S + (first + i) * stride, S + (first + i) * stride + n, copy + i * padded);
    add_panel({T + first * stride, stride, count}, {copy, padded, count}, n, H);
  }
}

/// add(first row, last row, H), shared out where H is small: every thread takes a stretch of rows and has an H of its own.
template <class Add>
void share_rows(Index rows, Index n, double* H, const Add& add) {
  const Index parts = std::min({Index{num_threads()}, rows / 64, most_parts});
  if (n > small_n || rows * n * n < parallel_flops || parts < 2) return add(Index{0}, rows, H);
  double* others = scratch(ScratchSlot::partial_sums, (parts - 1) * n * n);
  split(true, parts, 1, [&](Index begin, Index end) {
    for (Index part = begin; part < end; ++part) {
      double* own = part == 0 ? H : others + (part - 1) * n * n;
      if (part > 0) std::fill_n(own, n * n, 0.0);
      add(rows * part / parts, rows * (part + 1) / parts, own);
    }
  });
  split(parts > 2, n, 16, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      for (Index part = 1; part < parts; ++part) {
        const double* other = others + (part - 1) * n * n;
        for (Index j = i; j < n; ++j) H[i * n + j] += other[i * n + j];
      }
    }
  });
}

}  // namespace

void add_scaled_gram(const double* T, Index stride, const double* q, Index q_stride, Index rows, Index n, double* H) {
  if (n == 0) return;
  share_rows(rows, n, H, [&](Index first, Index last, double* sum) {
    add_scaled_gram_here(T + first * stride, stride, q + first * q_stride, q_stride, last - first, n, sum);
  });
}

void add_product_triangle(const double* T, const double* S, Index stride, Index rows, Index n, double* H) {
  if (n == 0) return;
  share_rows(rows, n, H, [&](Index first, Index last, double* sum) {
    add_product_triangle_here(T + first * stride, S + first * stride, stride, last - first, n, sum);
  });
}

}  // namespace fastexpr::linalg
