#pragma once

#include <cstdint>

#include "rules/condition_table.hpp"
#include "rules/watch.hpp"

// Local search: which of the rules at hand, within the complexity that is allowed, lose least? Moves add a rule, drop one, or
// swap one for another; where none is left, a few rules are dropped at random and the search goes on from there.

namespace fastexpr::rules {

enum class Loss {
  zero_one,  // a row is lost once
  hamming,   // a row that must not be covered is lost once for each rule that covers it
};

struct SearchSettings {
  Loss loss = Loss::zero_one;
  std::int64_t max_complexity = 2;
  int restarts = 0;
  std::uint64_t seed = 0;
};

struct Selection {
  std::vector<std::size_t> rules;  // ascending
  Weight value = 0;                // gains covered - losses
};

/// The best selection met, starting from `start`. Of two that are worth the same, the less complex one.
Selection search_rules(const WeightedTable& table, const std::vector<Rule>& rules, const SearchSettings& settings,
                       const std::vector<std::size_t>& start, Watch& watch);

}  // namespace fastexpr::rules
