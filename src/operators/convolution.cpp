#include "operators/convolution.hpp"

#include <algorithm>

#include "graph/rows.hpp"
#include "linalg/products.hpp"
#include "linalg/scratch.hpp"
#include "linalg/split.hpp"
#include "operators/table_budget.hpp"

namespace fastexpr {

namespace {

constexpr Index tile_columns = 256;
constexpr Index gathered_rows = 128;        // with as many columns as a tile has: a quarter of a megabyte
constexpr Index parallel_work = 4'000'000;  // multiplications that pay for waking threads

Index divide_up(Index a, Index b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

Index product_of_leading(const Shape& shape) { return size_of(Shape(shape.begin(), shape.end() - 1)); }

/// Where the large row begins that a small row and a tap of the leading axes meet, or -1.
Index row_start(const WindowShape& window, Index row, Index tap) {
  Index start = 0, step = window.large.back();
  for (std::size_t axis = window.small.size() - 1; axis-- > 0;) {
    const Index s = row % window.small[axis], t = tap % window.kernel[axis];
    const Index place = s * window.strides[axis] + t * window.dilations[axis] - window.pads[axis];
    if (place < 0 || place >= window.large[axis]) return -1;
    start += place * step;
    step *= window.large[axis];
    row /= window.small[axis];
    tap /= window.kernel[axis];
  }
  return start;
}

}  // namespace

Convolution::Convolution(const MatrixView& weights, Index outer, Index groups, const WindowShape& window)
    : weights_(weights),
      outer_(outer),
      groups_(groups),
      small_channels_(weights.rows / groups),
      n_taps_(size_of(window.kernel)),
      n_lead_taps_(product_of_leading(window.kernel)),
      n_last_taps_(window.kernel.back()),
      small_positions_(size_of(window.small)),
      large_positions_(size_of(window.large)),
      row_length_(window.small.back()),
      stride_(window.strides.back()) {
  large_channels_ = weights.columns / n_taps_;
  const Index rows = product_of_leading(window.small);
  TableBudget::spend(rows, n_lead_taps_);
  for (Index row = 0; row < rows; ++row)
    for (Index tap = 0; tap < n_lead_taps_; ++tap) row_starts_.push_back(row_start(window, row, tap));
  for (Index t = 0; t < n_last_taps_; ++t) {
    const Index offset = t * window.dilations.back() - window.pads.back();
    const Index begin = std::clamp<Index>(divide_up(-offset, stride_), 0, row_length_);
    parts_.push_back({begin, std::clamp(divide_up(window.large.back() - offset, stride_), begin, row_length_), offset});
  }
}

Index Convolution::multiplications() const { return outer_ * weights_.rows * weights_.columns * small_positions_; }

bool Convolution::is_large(Index width) const { return multiplications() >= parallel_work / std::max<Index>(width, 1); }

Index Convolution::channels_at_once() const { return std::clamp<Index>(gathered_rows / n_taps_, 1, large_channels_); }

Index Convolution::gathered_size() const { return channels_at_once() * n_taps_ * tile_columns; }

const void* Convolution::weights_at(Index row, Index column) const {
  const Index offset = (row * weights_.columns + column) * size_in_bytes(weights_.precision);
  return static_cast<const char*>(weights_.data) + offset;
}

double Convolution::weight(Index row, Index column) const {
  const void* number = weights_at(row, column);
  return weights_.precision == Precision::float32 ? *static_cast<const float*>(number) : *static_cast<const double*>(number);
}

Convolution::Tiling Convolution::tiling(Index width) const {
  Tiling tiling{std::clamp<Index>(tile_columns / width, 1, small_positions_), width, 0, 1};
  if (width > tile_columns) {
    tiling.by_column = (width + tile_columns - 1) / tile_columns;
    tiling.columns = (width + tiling.by_column - 1) / tiling.by_column;
  }
  tiling.by_position = (small_positions_ + tiling.positions - 1) / tiling.positions;
  return tiling;
}

Convolution::Tile Convolution::tile(const Tiling& tiling, Index number, Index width) const {
  const Index first = number / tiling.by_column * tiling.positions;
  const Index column = number % tiling.by_column * tiling.columns;
  return {first, std::min(tiling.positions, small_positions_ - first), column, std::min(tiling.columns, width - column)};
}

// gathered (channels * taps, positions of the tile, columns of the tile); zero where a tap meets nothing.
void Convolution::gather(const Tile& tile, Index channels, const double* large, Index width, double* gathered) const {
  const Index columns = tile.columns, row_size = tile.count * columns;
  for_each_run(tile, [&](const Run& run) {
    for (Index c = 0; c < channels; ++c) {
      double* to = gathered + (c * n_taps_ + run.tap) * row_size + run.first * columns;
      const double* from = large + (c * large_positions_ + run.large) * width + tile.column;
      rows::fill_zero(to, run.begin * columns);
      rows::fill_zero(to + run.end * columns, (run.count - run.end) * columns);
      to += run.begin * columns;
      const Index count = run.end - run.begin;
      if (stride_ == 1 && columns == width)
        rows::copy(from, to, count * columns);
      else if (columns == 1 && width == 1)
        for (Index i = 0; i < count; ++i) to[i] = from[i * stride_];
      else
        for (Index i = 0; i < count; ++i) rows::copy(from + i * stride_ * width, to + i * columns, columns);
    }
  });
}

// The transpose of gather, added.
void Convolution::scatter(const Tile& tile, Index channels, const double* gathered, Index width, double* large) const {
  const Index columns = tile.columns, row_size = tile.count * columns;
  for_each_run(tile, [&](const Run& run) {
    for (Index c = 0; c < channels; ++c) {
      const double* from = gathered + (c * n_taps_ + run.tap) * row_size + (run.first + run.begin) * columns;
      double* to = large + (c * large_positions_ + run.large) * width + tile.column;
      const Index count = run.end - run.begin;
      if (stride_ == 1 && columns == width)
        rows::add(from, to, count * columns);
      else
        for (Index i = 0; i < count; ++i) rows::add(from + i * columns, to + i * stride_ * width, columns);
    }
  });
}

// One tile of one group's small side.
void Convolution::small_tile(const Tile& tile, Index block, const double* large, Index width, double* small) const {
  double* gathered = linalg::scratch(linalg::ScratchSlot::gathered, gathered_size());
  const Index columns = tile.count * tile.columns;
  double* to = small + (block * small_channels_ * small_positions_ + tile.first) * width + tile.column;
  for (Index c = 0; c < large_channels_; c += channels_at_once()) {
    const Index channels = std::min(channels_at_once(), large_channels_ - c);
    gather(tile, channels, large + (block * large_channels_ + c) * large_positions_ * width, width, gathered);
    const linalg::MatrixPart W{weights_at(block % groups_ * small_channels_, c * n_taps_), weights_.precision, weights_.columns,
                               small_channels_, channels * n_taps_};
    linalg::multiply_part(W, false, gathered, columns, columns, to, small_positions_ * width, true);
  }
}

// What one tile of one group's small side adds to some channels of the large side.
void Convolution::large_channels(const Tile& tile, Index block, Index channel, const double* small, Index width,
                                 double* large) const {
  double* gathered = linalg::scratch(linalg::ScratchSlot::gathered, gathered_size());
  const Index columns = tile.count * tile.columns;
  const Index channels = std::min(channels_at_once(), large_channels_ - channel);
  const linalg::MatrixPart W{weights_at(block % groups_ * small_channels_, channel * n_taps_), weights_.precision,
                             weights_.columns, small_channels_, channels * n_taps_};
  const double* from = small + (block * small_channels_ * small_positions_ + tile.first) * width + tile.column;
  linalg::multiply_part(W, true, from, small_positions_ * width, columns, gathered, columns, false);
  scatter(tile, channels, gathered, width, large + (block * large_channels_ + channel) * large_positions_ * width);
}

void Convolution::add_to_small(const double* large, Index width, double* small) const {
  if (width == 0 || multiplications() == 0) return;
  const Tiling tiles = tiling(width);
  linalg::split(is_large(width), outer_ * groups_ * tiles.count(), 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) small_tile(tile(tiles, i % tiles.count(), width), i / tiles.count(), large, width, small);
  });
}

// Tasks are channels and columns: tiles of positions overlap on the large side.
void Convolution::add_to_large(const double* small, Index width, double* large) const {
  if (width == 0 || multiplications() == 0) return;
  const Tiling tiles = tiling(width);
  const Index parts = (large_channels_ + channels_at_once() - 1) / channels_at_once();
  linalg::split(is_large(width), outer_ * groups_ * parts * tiles.by_column, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index column = i % tiles.by_column, task = i / tiles.by_column;
      for (Index position = 0; position < tiles.by_position; ++position)
        large_channels(tile(tiles, position * tiles.by_column + column, width), task / parts, task % parts * channels_at_once(),
                       small, width, large);
    }
  });
}

}  // namespace fastexpr
