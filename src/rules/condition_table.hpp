#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rules/bits.hpp"

namespace fastexpr::rules {

/// Which rows fulfil which conditions. Immutable.
class ConditionTable {
 public:
  /// holds: (conditions, rows), 0 or 1.
  ConditionTable(std::size_t n_conditions, std::size_t n_rows, const std::uint8_t* holds);

  std::size_t n_conditions() const { return n_conditions_; }
  std::size_t n_rows() const { return n_rows_; }
  const Word* bits(std::size_t condition) const { return bits_.data() + condition * words_; }
  /// Whether every row that fulfils `stronger` fulfils `weaker`: beside it, `weaker` says nothing. Of two conditions that the
  /// same rows fulfil, the second implies the first and not the other way round, so that one of them stays.
  bool implies(std::size_t stronger, std::size_t weaker) const { return implies_[stronger * n_conditions_ + weaker] != 0; }
  /// The rows that fulfil all conditions of a rule.
  Bits cover(const Rule& rule) const;

 private:
  std::size_t n_conditions_, n_rows_, words_;
  Bits bits_;
  std::vector<std::uint8_t> implies_;
};

/// A table seen with weights: gain of covering a row, loss of covering it. A rule z is worth
///     value(z) = sum gain - sum loss over the rows that it covers - price (1 + |z|).
class WeightedTable {
 public:
  WeightedTable(const ConditionTable& table, std::span<const Weight> gains, std::span<const Weight> losses);

  const ConditionTable& table() const { return table_; }
  const WeightedRows& gains() const { return gains_; }
  const WeightedRows& losses() const { return losses_; }
  /// Bits of the rows with a gain, then of those with a loss.
  std::size_t words() const { return gains_.words() + losses_.words(); }
  const Word* bits(std::size_t condition) const { return bits_.data() + condition * words(); }
  Bits cover(const Rule& rule) const;
  /// All rows.
  Bits everything() const { return Bits(words(), ~Word(0)); }

 private:
  const ConditionTable& table_;
  WeightedRows gains_, losses_;
  Bits bits_;
};

/// Gains and losses within one set of rows of a WeightedTable.
class MaskedTable {
 public:
  void assign(const WeightedTable& table, const Word* set);
  Weight gain(const Word* other) const { return gains_.sum(other); }
  Weight loss(const Word* other) const { return losses_.sum(other + offset_); }
  std::int64_t words() const { return gains_.words() + losses_.words(); }

 private:
  MaskedWeights gains_, losses_;
  std::size_t offset_ = 0;
};

}  // namespace fastexpr::rules
