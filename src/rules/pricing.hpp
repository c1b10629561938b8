#pragma once

#include "rules/condition_table.hpp"
#include "rules/watch.hpp"

// Pricing: which rules would improve the master problem? Weights are whole numbers (multipliers on a grid), so that no sum is
// rounded and what is claimed about all rules is true.

namespace fastexpr::rules {

struct PricedRule {
  Weight value;
  Rule rule;
};

struct Pricing {
  std::vector<PricedRule> rules;  // of positive value, best first
  Weight bound = 0;               // no rule of up to max_length conditions is worth more; >= 0
  bool is_complete = true;        // false: ended early, and the bound is what is left open
};

/// The best rules of up to max_length conditions, by branch and bound over conjunctions.
Pricing price_exactly(const WeightedTable& table, Weight price, int max_length, std::size_t n_rules, Watch& watch);

/// Good rules, found by extending the `width` most promising ones of each length. Nothing is claimed: bound stays 0.
Pricing price_by_beam(const WeightedTable& table, Weight price, int max_length, std::size_t width, std::size_t n_rules,
                      Watch& watch);

}  // namespace fastexpr::rules
