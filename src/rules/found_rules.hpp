#pragma once

#include <algorithm>

#include "rules/pricing.hpp"

namespace fastexpr::rules {

/// The best of the rules that pricing has met.
class FoundRules {
 public:
  explicit FoundRules(std::size_t capacity) : capacity_(capacity) {}

  bool takes(Weight value) const { return value > 0 && (heap_.size() < capacity_ || value > heap_.front().value); }
  void add(Weight value, Rule rule) {
    std::sort(rule.begin(), rule.end());
    heap_.push_back({value, std::move(rule)});
    std::push_heap(heap_.begin(), heap_.end(), is_better);
    if (heap_.size() <= capacity_) return;
    std::pop_heap(heap_.begin(), heap_.end(), is_better);
    heap_.pop_back();
  }
  std::vector<PricedRule> sorted() && {
    std::sort(heap_.begin(), heap_.end(), is_better);
    return std::move(heap_);
  }

 private:
  static bool is_better(const PricedRule& a, const PricedRule& b) {
    return a.value != b.value ? a.value > b.value : a.rule < b.rule;
  }
  std::size_t capacity_;
  std::vector<PricedRule> heap_;  // the worst in front
};

}  // namespace fastexpr::rules
