#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// Sets of rows as bits, and sums of whole-number weights over them by counting bits.

namespace fastexpr::rules {

using Word = std::uint64_t;
using Weight = std::int64_t;
using Bits = std::vector<Word>;
/// A conjunction: the numbers of its conditions.
using Rule = std::vector<std::int32_t>;

inline constexpr std::size_t word_bits = 64;
inline std::size_t words_for(std::size_t bits) { return (bits + word_bits - 1) / word_bits; }

/// The rows of positive weight, in an order of their own, and the weights as bit planes: the sum over a set of rows is
/// sum_b 2^b |plane_b & set|. Rows whose weights are divisible by high powers of two stand last, so that low planes end early:
/// whole weights on a fine grid cost no more than on a coarse one.
class WeightedRows {
 public:
  explicit WeightedRows(std::span<const Weight> weights);  // >= 0

  std::size_t words() const { return words_for(rows_.size()); }
  Weight total() const { return total_; }
  /// From the bits of all rows to those of these, in their order.
  void gather(const Word* all_rows, Word* result) const;

 private:
  friend class MaskedWeights;
  std::vector<std::uint32_t> rows_;
  std::vector<Bits> planes_;  // by bit; each as long as it has ones
  Weight total_ = 0;
};

/// The weights within one set of rows: words without any row are left out.
class MaskedWeights {
 public:
  void assign(const WeightedRows& rows, const Word* set);
  /// The weight of those within `other`, too.
  Weight sum(const Word* other) const;
  std::int64_t words() const { return static_cast<std::int64_t>(entries_.size()); }

 private:
  struct Entry {
    Word bits;
    std::size_t place;
  };
  struct Plane {
    std::size_t end;
    int bit;
  };
  std::vector<Entry> entries_;  // plane by plane
  std::vector<Plane> planes_;
};

}  // namespace fastexpr::rules
