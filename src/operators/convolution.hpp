#pragma once

#include <algorithm>
#include <vector>

#include "graph/shape.hpp"

namespace fastexpr {

/// What a window does along each spatial axis. Small position s and tap t of the kernel meet at the large position
/// s * stride + t * dilation - pad, if there is one.
struct WindowShape {
  Shape kernel, strides, dilations;
  Shape pads;  // in front; negative cuts off
  Shape large, small;
};

/// The linear map between a large side (outer, groups * large_channels, large positions) and a small side
/// (outer, groups * small_channels, small positions) that a convolution is, and its transpose.
///   small[g m, s] += sum over channels c and taps t of W[g m, c, t] large[g c, s * stride + t * dilation - pad]
/// Blocks have `width` numbers a unit. Windows are gathered, a tile of columns at a time, into a matrix that stays in cache, and
/// multiplied with the weights as they are stored.
class Convolution {
 public:
  /// W (groups * small_channels, large_channels, kernel), which the caller keeps.
  Convolution(const MatrixView& weights, Index outer, Index groups, const WindowShape& window);

  Index small_units() const { return outer_ * weights_.rows * small_positions_; }
  Index large_units() const { return outer_ * groups_ * large_channels_ * large_positions_; }
  Index multiplications() const;

  /// small += W large.
  void add_to_small(const double* large, Index width, double* small) const;
  /// large += W' small.
  void add_to_large(const double* small, Index width, double* large) const;

  /// body(small unit, large unit, weight) for every pair that meets.
  template <class Body>
  void for_each_link(Body body) const {
    for (Index block = 0; block < outer_ * groups_; ++block)
      for_each_run({0, small_positions_, 0, 1}, [&](const Run& run) {
        for (Index i = run.begin; i < run.end; ++i)
          for (Index m = 0; m < small_channels_; ++m)
            for (Index c = 0; c < large_channels_; ++c)
              body((block * small_channels_ + m) * small_positions_ + run.first + i,
                   (block * large_channels_ + c) * large_positions_ + run.large + (i - run.begin) * stride_,
                   weight(block % groups_ * small_channels_ + m, c * n_taps_ + run.tap));
      });
  }

 private:
  /// Small positions [first, first + count) and numbers [column, column + columns) of each unit's `width`.
  struct Tile {
    Index first, count;
    Index column, columns;
  };
  /// Neighbours along the last axis, seen from one tap: [begin, end) of them meet large positions, from `large` on.
  struct Run {
    Index first, count;  // counted from the tile's first
    Index tap;
    Index begin, end;
    Index large;
  };
  struct Tiling {
    Index positions, columns;  // of a tile
    Index by_position, by_column;
    Index count() const { return by_position * by_column; }
  };

  Tiling tiling(Index width) const;
  Tile tile(const Tiling& tiling, Index number, Index width) const;
  bool is_large(Index width) const;
  Index channels_at_once() const;
  Index gathered_size() const;
  double weight(Index row, Index column) const;
  const void* weights_at(Index row, Index column) const;
  void gather(const Tile& tile, Index channels, const double* large, Index width, double* gathered) const;
  void scatter(const Tile& tile, Index channels, const double* gathered, Index width, double* large) const;
  void small_tile(const Tile& tile, Index block, const double* large, Index width, double* small) const;
  void large_channels(const Tile& tile, Index block, Index channel, const double* small, Index width, double* large) const;

  template <class Body>
  void for_each_run(const Tile& tile, Body body) const {
    for (Index s = tile.first; s < tile.first + tile.count;) {
      const Index row = s / row_length_, place = s % row_length_;
      const Index count = std::min(row_length_ - place, tile.first + tile.count - s);
      for (Index lead = 0; lead < n_lead_taps_; ++lead)
        for (Index t = 0; t < n_last_taps_; ++t) {
          const Index start = row_starts_[static_cast<std::size_t>(row * n_lead_taps_ + lead)];
          const Part part = parts_[static_cast<std::size_t>(t)];
          const Index begin = start < 0 ? 0 : std::clamp<Index>(part.begin - place, 0, count);
          const Index end = start < 0 ? 0 : std::clamp(part.end - place, begin, count);
          body(Run{s - tile.first, count, lead * n_last_taps_ + t, begin, end, start + (place + begin) * stride_ + part.offset});
        }
      s += count;
    }
  }

  /// Along the last axis, small positions [begin, end) meet large positions s * stride + offset.
  struct Part {
    Index begin, end, offset;
  };

  MatrixView weights_;
  Index outer_, groups_, small_channels_, large_channels_;
  Index n_taps_, n_lead_taps_, n_last_taps_;
  Index small_positions_, large_positions_;
  Index row_length_, stride_;      // of the small side's last axis
  std::vector<Index> row_starts_;  // (rows of the small side, taps of all axes but the last): where the large row begins, or -1
  std::vector<Part> parts_;        // for each tap of the last axis
};

}  // namespace fastexpr
