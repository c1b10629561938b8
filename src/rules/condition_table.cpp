#include "rules/condition_table.hpp"

namespace fastexpr::rules {

namespace {

bool is_subset(const Word* a, const Word* b, std::size_t words) {
  for (std::size_t k = 0; k < words; ++k)
    if (a[k] & ~b[k]) return false;
  return true;
}

}  // namespace

ConditionTable::ConditionTable(std::size_t n_conditions, std::size_t n_rows, const std::uint8_t* holds)
    : n_conditions_(n_conditions),
      n_rows_(n_rows),
      words_(words_for(n_rows)),
      bits_(n_conditions * words_),
      implies_(n_conditions * n_conditions) {
  for (std::size_t j = 0; j < n_conditions; ++j)
    for (std::size_t i = 0; i < n_rows; ++i)
      if (holds[j * n_rows + i]) bits_[j * words_ + i / word_bits] |= Word(1) << i % word_bits;
  for (std::size_t j = 0; j < n_conditions; ++j)
    for (std::size_t k = 0; k < n_conditions; ++k)
      if (j != k) implies_[j * n_conditions + k] = is_subset(bits(j), bits(k), words_);
  for (std::size_t j = 0; j < n_conditions; ++j)
    for (std::size_t k = 0; k < j; ++k)
      if (implies(j, k) && implies(k, j)) implies_[k * n_conditions + j] = 0;
}

Bits ConditionTable::cover(const Rule& rule) const {
  Bits result(words_, ~Word(0));
  for (const std::int32_t j : rule)
    for (std::size_t k = 0; k < words_; ++k) result[k] &= bits(static_cast<std::size_t>(j))[k];
  return result;
}

WeightedTable::WeightedTable(const ConditionTable& table, std::span<const Weight> gains, std::span<const Weight> losses)
    : table_(table), gains_(gains), losses_(losses), bits_(table.n_conditions() * words()) {
  for (std::size_t j = 0; j < table.n_conditions(); ++j) {
    gains_.gather(table.bits(j), bits_.data() + j * words());
    losses_.gather(table.bits(j), bits_.data() + j * words() + gains_.words());
  }
}

Bits WeightedTable::cover(const Rule& rule) const {
  const Bits rows = table_.cover(rule);
  Bits result(words());
  gains_.gather(rows.data(), result.data());
  losses_.gather(rows.data(), result.data() + gains_.words());
  return result;
}

void MaskedTable::assign(const WeightedTable& table, const Word* set) {
  offset_ = table.gains().words();
  gains_.assign(table.gains(), set);
  losses_.assign(table.losses(), set + offset_);
}

}  // namespace fastexpr::rules
