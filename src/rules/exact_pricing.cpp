// Branch and bound over conjunctions. A node is a rule; its children have one condition more. All children of a node are
// evaluated at once: gains and losses are masked by the node's rows first. Nothing below a child with gain g and loss l is worth
// more than
//     max over e >= 1 further conditions of  g - price (complexity + e) - max(0, l - the e largest losses that conditions
//     remove),
// since gains only shrink, and e conditions remove no more than they do one by one. Children are visited from the most
// promising on, and each is combined with those before it, so that the least promising, which are mostly cut off, have the
// largest subtrees.
#include <algorithm>
#include <limits>

#include "rules/found_rules.hpp"
#include "rules/pricing.hpp"

namespace fastexpr::rules {

namespace {

class ExactPricing {
 public:
  ExactPricing(const WeightedTable& table, Weight price, int max_length, std::size_t n_rules, Watch& watch)
      : table_(table),
        price_(price),
        max_length_(static_cast<std::size_t>(max_length)),
        found_(n_rules),
        watch_(watch),
        levels_(max_length_ + 1) {}

  Pricing run() {
    Level& root = levels_[0];
    root.cover = table_.everything();
    for (std::size_t j = 0; j < table_.table().n_conditions(); ++j) root.candidates.push_back(static_cast<std::int32_t>(j));
    visit(0, table_.gains().total(), table_.losses().total());
    Pricing result;
    result.bound = std::max(best_, open_);
    result.is_complete = !is_cut_short_;
    result.rules = std::move(found_).sorted();
    return result;
  }

 private:
  struct Child {
    std::int32_t condition;
    Weight gain, loss, bound;
  };
  struct Level {
    Bits cover;
    std::vector<std::int32_t> candidates;
    std::vector<Child> children, seen;
    Weight loss = 0;
    std::vector<Weight> removed;  // losses that single conditions remove: the largest first, then their sums
    MaskedTable masked;
  };

  void visit(std::size_t depth, Weight gain, Weight loss) {
    Level& level = levels_[depth];
    evaluate(level, depth, loss);
    if (depth + 1 >= max_length_) return;
    bound_children(level, depth, gain, loss);
    level.seen.clear();
    for (std::size_t k = level.children.size(); k-- > 0;) {
      const Child child = level.children[k];
      if (child.bound <= cut()) break;  // the others are worth less still
      if (!level.seen.empty()) {
        if (watch_.is_over()) {
          is_cut_short_ = true;
          open_ = std::max(open_, child.bound);
          return;
        }
        descend(level, depth, child);
      }
      level.seen.push_back(child);
    }
  }

  /// What is worth no more is left out: a round of pricing gives many rules that are nearly as good as the best, not the best
  /// alone.
  Weight cut() const { return best_ / 2; }

  /// Gain and loss of all children that can lead to something.
  void evaluate(Level& level, std::size_t depth, Weight loss) {
    level.loss = loss;
    level.masked.assign(table_, level.cover.data());
    level.children.clear();
    level.removed.clear();
    const Weight fee = price_ * static_cast<Weight>(depth + 2);
    for (const std::int32_t j : level.candidates) {
      const Word* bits = table_.bits(static_cast<std::size_t>(j));
      const Weight child_gain = level.masked.gain(bits);
      if (child_gain - fee <= cut()) continue;
      const Weight child_loss = level.masked.loss(bits), value = child_gain - child_loss - fee;
      if (found_.takes(value)) {
        Rule rule = rule_;
        rule.push_back(j);
        found_.add(value, std::move(rule));
      }
      best_ = std::max(best_, value);
      level.children.push_back({j, child_gain, child_loss, 0});
      level.removed.push_back(loss - child_loss);
    }
    watch_.spend(level.masked.words() * static_cast<std::int64_t>(level.candidates.size()));
  }

  /// Keeps the children below which something better than the best may be, the most promising last.
  void bound_children(Level& level, std::size_t depth, Weight gain, Weight loss) {
    std::sort(level.removed.begin(), level.removed.end(), std::greater<>());
    level.removed.resize(std::min(level.removed.size(), max_length_ - depth));
    const std::vector<Weight>& removed = level.removed;
    std::size_t kept = 0;
    for (Child child : level.children) {
      if (child.gain == gain && child.loss == loss) continue;  // holds in all these rows
      Weight left = child.loss, own = loss - child.loss;
      child.bound = std::numeric_limits<Weight>::min();
      bool is_own_passed = false;  // what this condition removes is removed already
      for (std::size_t e = 1, next = 0; e < max_length_ - depth && next < removed.size(); ++e, ++next) {
        if (!is_own_passed && removed[next] == own) {
          is_own_passed = true;
          if (++next == removed.size()) break;
        }
        left -= removed[next];
        child.bound = std::max(child.bound, child.gain - std::max<Weight>(0, left) - price_ * static_cast<Weight>(depth + 2 + e));
        if (left <= 0) break;
      }
      if (child.bound > cut()) level.children[kept++] = child;
    }
    level.children.resize(kept);
    std::sort(level.children.begin(), level.children.end(),
              [](const Child& a, const Child& b) { return a.bound != b.bound ? a.bound < b.bound : a.condition > b.condition; });
  }

  /// Whether a rule with both conditions, and perhaps more, may be better than the best. It gains no more than with one of the
  /// two, and they remove no more losses than one by one.
  bool can_join(const Level& level, std::size_t depth, const Child& a, const Child& b) const {
    const auto i = static_cast<std::size_t>(a.condition), j = static_cast<std::size_t>(b.condition);
    if (table_.table().implies(i, j) || table_.table().implies(j, i)) return false;  // one of the two says nothing
    const Weight gain = std::min(a.gain, b.gain);
    Weight left = a.loss + b.loss - level.loss;
    for (std::size_t e = 0; e + depth + 2 <= max_length_; ++e) {
      if (gain - std::max<Weight>(0, left) - price_ * static_cast<Weight>(depth + 3 + e) > cut()) return true;
      if (left <= 0 || e == level.removed.size()) return false;
      left -= level.removed[e];
    }
    return false;
  }

  void descend(Level& level, std::size_t depth, const Child& child) {
    Level& below = levels_[depth + 1];
    const auto j = static_cast<std::size_t>(child.condition);
    below.candidates.clear();
    for (const Child& other : level.seen)
      if (can_join(level, depth, child, other)) below.candidates.push_back(other.condition);
    watch_.spend(static_cast<std::int64_t>(level.seen.size()));
    if (below.candidates.empty()) return;
    below.cover.resize(table_.words());
    for (std::size_t k = 0; k < below.cover.size(); ++k) below.cover[k] = level.cover[k] & table_.bits(j)[k];
    rule_.push_back(child.condition);
    visit(depth + 1, child.gain, child.loss);
    rule_.pop_back();
  }

  const WeightedTable& table_;
  const Weight price_;
  const std::size_t max_length_;
  FoundRules found_;
  Watch& watch_;
  std::vector<Level> levels_;
  Rule rule_;
  Weight best_ = 0, open_ = 0;
  bool is_cut_short_ = false;
};

}  // namespace

Pricing price_exactly(const WeightedTable& table, Weight price, int max_length, std::size_t n_rules, Watch& watch) {
  return ExactPricing(table, price, max_length, n_rules, watch).run();
}

}  // namespace fastexpr::rules
