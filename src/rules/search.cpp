#include "rules/search.hpp"

#include <algorithm>
#include <optional>
#include <random>

namespace fastexpr::rules {

namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);

class Search {
 public:
  Search(const WeightedTable& table, const std::vector<Rule>& rules, const SearchSettings& settings, Watch& watch)
      : table_(table), settings_(settings), watch_(watch), random_(settings.seed) {
    is_barred_.resize(rules.size());
    MaskedTable all;
    all.assign(table, table.everything().data());
    for (const Rule& rule : rules) {
      covers_.push_back(table.cover(rule));
      complexities_.push_back(1 + static_cast<std::int64_t>(rule.size()));
      losses_.push_back(all.loss(covers_.back().data()));
    }
  }

  Selection run(const std::vector<std::size_t>& start) {
    chosen_ = start;
    descend();
    State best = state(), current = best;
    for (int k = 0; k < settings_.restarts && !current.chosen.empty() && !watch_.is_over(); ++k) {
      chosen_ = current.chosen;
      const std::size_t count = 1 + random_() % ((chosen_.size() + 1) / 2);
      for (std::size_t i = 0; i < count; ++i) drop_one_at_random();
      descend();  // without these
      std::fill(is_barred_.begin(), is_barred_.end(), 0);
      descend();
      State now = state();
      if (current.is_better(now)) continue;
      current = std::move(now);  // also where it is as good: the way may lead on from there
      if (current.is_better(best)) best = current;
    }
    std::sort(best.chosen.begin(), best.chosen.end());
    return {best.chosen, best.value};
  }

 private:
  struct State {
    std::vector<std::size_t> chosen;
    Weight value;
    std::int64_t complexity;
    bool is_better(const State& other) const {
      return value != other.value ? value > other.value : complexity < other.complexity;
    }
  };
  struct Move {
    std::size_t dropped = none, added = none;  // positions in chosen_, number of a rule
    Weight value;
    std::int64_t complexity;
  };

  void drop_one_at_random() {
    const auto place = chosen_.begin() + static_cast<std::ptrdiff_t>(random_() % chosen_.size());
    is_barred_[*place] = 1;
    chosen_.erase(place);
  }

  State state() {
    Move nothing = without(none);
    return {chosen_, nothing.value, nothing.complexity};
  }

  /// Makes the best move again and again.
  void descend() {
    while (!watch_.is_over()) {
      const Move now = without(none);
      std::optional<Move> best;
      consider(now, now, best);
      for (std::size_t k = 0; k < chosen_.size(); ++k) consider(without(k), now, best);
      if (!best) return;
      if (best->dropped != none) chosen_.erase(chosen_.begin() + static_cast<std::ptrdiff_t>(best->dropped));
      if (best->added != none) chosen_.push_back(best->added);
    }
  }

  /// What is left without one of the chosen; `free_` is then what the others leave uncovered.
  Move without(std::size_t dropped) {
    free_.assign(table_.words(), ~Word(0));
    Move move{dropped, none, 0, 0};
    for (std::size_t k = 0; k < chosen_.size(); ++k) {
      if (k == dropped) continue;
      const std::size_t rule = chosen_[k];
      for (std::size_t i = 0; i < free_.size(); ++i) free_[i] &= ~covers_[rule][i];
      move.complexity += complexities_[rule];
      if (settings_.loss == Loss::hamming) move.value -= losses_[rule];
    }
    masked_.assign(table_, free_.data());
    const Bits all = table_.everything();
    move.value += table_.gains().total() - masked_.gain(all.data());
    if (settings_.loss == Loss::zero_one) move.value -= table_.losses().total() - masked_.loss(all.data());
    return move;
  }

  /// The moves that begin with this one: alone, or with one rule added.
  void consider(const Move& base, const Move& now, std::optional<Move>& best) {
    const auto offer = [&](const Move& move) {
      if (is_better(move, best ? *best : now)) best = move;
    };
    if (base.dropped != none) offer(base);
    for (std::size_t rule = 0; rule < covers_.size(); ++rule) {
      if (is_barred_[rule] || base.complexity + complexities_[rule] > settings_.max_complexity) continue;
      if (base.dropped != none && chosen_[base.dropped] == rule) continue;
      const Word* cover = covers_[rule].data();
      Move move{base.dropped, rule, base.value + masked_.gain(cover), base.complexity + complexities_[rule]};
      if (!is_better(move, best ? *best : now)) continue;  // its losses make it no better
      move.value -= settings_.loss == Loss::hamming ? losses_[rule] : masked_.loss(cover);
      offer(move);
    }
    watch_.spend(masked_.words() * static_cast<std::int64_t>(covers_.size()));
  }

  static bool is_better(const Move& a, const Move& b) {
    return a.value != b.value ? a.value > b.value : a.complexity < b.complexity;
  }

  const WeightedTable& table_;
  const SearchSettings settings_;
  Watch& watch_;
  std::mt19937_64 random_;
  std::vector<Bits> covers_;
  std::vector<std::int64_t> complexities_;
  std::vector<Weight> losses_;
  std::vector<std::size_t> chosen_;
  std::vector<std::uint8_t> is_barred_;  // rules that must not be added for now
  Bits free_;
  MaskedTable masked_;
};

}  // namespace

Selection search_rules(const WeightedTable& table, const std::vector<Rule>& rules, const SearchSettings& settings,
                       const std::vector<std::size_t>& start, Watch& watch) {
  return Search(table, rules, settings, watch).run(start);
}

}  // namespace fastexpr::rules
