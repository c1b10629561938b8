#include <algorithm>

#include "linalg/blas.hpp"
#include "linalg/kernels.hpp"
#include "linalg/products.hpp"
#include "linalg/scratch.hpp"
#include "linalg/split.hpp"

// One triangle of H += T' diag(q) T and H += T' S. Rows are taken a panel at a time: scaled into a buffer of this thread, and
// those with q == 0 left out. Up to some size own tiles beat OpenBLAS's dgemmt, which computes whole blocks on the diagonal.

namespace fastexpr::linalg {
namespace {

constexpr Index max_tiled_n = 192;
constexpr Index panel_numbers = 1 << 17;  // of T in a panel: 1 MB
constexpr Index parallel_flops = 4'000'000;
constexpr Index block_rows = 96;  // of H, one task

Index rows_in_panel(Index n) { return std::clamp<Index>(panel_numbers / n, 256, 4096); }

struct Panel {
  const double* numbers;
  Index stride;
  Index rows;
};

/// H += P' S, both (rows, n). S needs max_lanes readable numbers behind each row where n <= max_tiled_n.
void add_panel(const Panel& P, const Panel& S, Index n, double* H) {
  const bool is_large = P.rows * n * n >= parallel_flops;
  if (n <= max_tiled_n || !blas::fits(std::max(P.stride, S.stride))) {
    return split(is_large, (n + 7) / 8, 1, [&](Index begin, Index end) {
      kernels().add_triangle(P.numbers, P.stride, S.numbers, S.stride, P.rows, n, begin * 8, std::min(n, end * 8), H);
    });
  }
  if (!is_large || num_threads() == 1) return blas::add_triangle(n, P.rows, P.numbers, P.stride, S.numbers, S.stride, H, n);
  split(is_large, (n + block_rows - 1) / block_rows, 1, [&](Index begin, Index end) {
    for (Index i = begin * block_rows; i < std::min(n, end * block_rows); i += block_rows) {
      const Index height = std::min(block_rows, n - i);
      blas::add_triangle(height, P.rows, P.numbers + i, P.stride, S.numbers + i, S.stride, H + i * n + i, n);
      const Index right = i + height;
      if (right == n) continue;
      blas::multiply(true, false, height, n - right, P.rows, P.numbers + i, P.stride, S.numbers + right, S.stride, true,
                     H + i * n + right, n);
    }
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

}  // namespace

void add_scaled_gram(const double* T, Index stride, const double* q, Index q_stride, Index rows, Index n, double* H) {
  const Index padded = n + max_lanes;
  const Index step = rows_in_panel(std::max<Index>(n, 1));
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
    split(P.rows * n >= parallel_flops / 16, P.rows, 64, [&](Index begin, Index end) {
      kernels().scale_rows(factors + begin * factor_stride, factor_stride, P.numbers + begin * P.stride, P.stride, end - begin, n,
                           scaled + begin * padded, padded);
    });
    add_panel(P, {scaled, padded, P.rows}, n, H);
  }
}

void add_product_triangle(const double* T, const double* S, Index stride, Index rows, Index n, double* H) {
  if (n > max_tiled_n && blas::fits(stride)) return add_panel({T, stride, rows}, {S, stride, rows}, n, H);
  const Index padded = n + max_lanes;
  const Index step = rows_in_panel(std::max<Index>(n, 1));
  for (Index first = 0; first < rows; first += step) {
    const Index count = std::min(step, rows - first);
    double* copy = scratch(ScratchSlot::scaled, std::min(step, rows) * padded);
    for (Index i = 0; i < count; ++i) std::copy(S + (first + i) * stride, S + (first + i) * stride + n, copy + i * padded);
    add_panel({T + first * stride, stride, count}, {copy, padded, count}, n, H);
  }
}

}  // namespace fastexpr::linalg
