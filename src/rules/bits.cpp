#include "rules/bits.hpp"

#include <algorithm>
#include <bit>

namespace fastexpr::rules {

WeightedRows::WeightedRows(std::span<const Weight> weights) {
  Weight largest = 0;
  for (std::size_t row = 0; row < weights.size(); ++row) {
    if (weights[row] <= 0) continue;
    rows_.push_back(static_cast<std::uint32_t>(row));
    largest = std::max(largest, weights[row]);
    total_ += weights[row];
  }
  const auto zeros = [&](std::uint32_t row) { return std::countr_zero(static_cast<Word>(weights[row])); };
  std::stable_sort(rows_.begin(), rows_.end(), [&](std::uint32_t a, std::uint32_t b) { return zeros(a) < zeros(b); });
  planes_.resize(static_cast<std::size_t>(std::bit_width(static_cast<Word>(largest))), Bits(words()));
  for (std::size_t k = 0; k < rows_.size(); ++k)
    for (std::size_t b = 0; b < planes_.size(); ++b)
      planes_[b][k / word_bits] |= (static_cast<Word>(weights[rows_[k]]) >> b & 1) << k % word_bits;
  for (Bits& plane : planes_)
    while (!plane.empty() && plane.back() == 0) plane.pop_back();
}

void WeightedRows::gather(const Word* all_rows, Word* result) const {
  std::fill(result, result + words(), Word(0));
  for (std::size_t k = 0; k < rows_.size(); ++k)
    result[k / word_bits] |= (all_rows[rows_[k] / word_bits] >> rows_[k] % word_bits & 1) << k % word_bits;
}

void MaskedWeights::assign(const WeightedRows& rows, const Word* set) {
  entries_.clear();
  planes_.clear();
  for (std::size_t b = 0; b < rows.planes_.size(); ++b) {
    const Bits& plane = rows.planes_[b];
    const std::size_t begin = entries_.size();
    for (std::size_t place = 0; place < plane.size(); ++place)
      if (const Word bits = plane[place] & set[place]) entries_.push_back({bits, place});
    if (entries_.size() > begin) planes_.push_back({entries_.size(), static_cast<int>(b)});
  }
}

Weight MaskedWeights::sum(const Word* other) const {
  Weight total = 0;
  const Entry* entry = entries_.data();
  for (const Plane& plane : planes_) {
    Weight count = 0;
    for (const Entry* const end = entries_.data() + plane.end; entry < end; ++entry)
      count += std::popcount(entry->bits & other[entry->place]);
    total += count << plane.bit;
  }
  return total;
}

}  // namespace fastexpr::rules
