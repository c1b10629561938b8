#include <set>

#include "rules/found_rules.hpp"
#include "rules/pricing.hpp"

namespace fastexpr::rules {

namespace {

struct Beam {
  Rule rule;  // ascending
  Bits cover;
  Weight gain, loss;
};

struct Extension {
  Weight promise, gain, loss;
  std::size_t parent;
  std::int32_t condition;
};

Rule extended(const Rule& rule, std::int32_t condition) {
  Rule result = rule;
  result.insert(std::upper_bound(result.begin(), result.end(), condition), condition);
  return result;
}

}  // namespace

Pricing price_by_beam(const WeightedTable& table, Weight price, int max_length, std::size_t width, std::size_t n_rules,
                      Watch& watch) {
  FoundRules found(n_rules);
  std::vector<Beam> beams{{{}, table.everything(), table.gains().total(), table.losses().total()}};
  MaskedTable masked;
  std::set<Rule> met;
  for (int length = 1; length <= max_length && !beams.empty() && !watch.is_over(); ++length) {
    const Weight fee = price * (1 + length);
    std::vector<Extension> extensions;
    for (std::size_t b = 0; b < beams.size() && !watch.is_over(); ++b) {
      masked.assign(table, beams[b].cover.data());
      for (std::size_t j = 0; j < table.table().n_conditions(); ++j) {
        const Weight gain = masked.gain(table.bits(j));
        if (gain - fee <= 0) continue;
        const Weight loss = masked.loss(table.bits(j)), value = gain - loss - fee;
        if (gain == beams[b].gain && loss == beams[b].loss) continue;  // holds in all these rows
        const auto condition = static_cast<std::int32_t>(j);
        if (found.takes(value)) {
          Rule rule = extended(beams[b].rule, condition);
          if (met.insert(rule).second) found.add(value, std::move(rule));
        }
        // Half of what it is worth, half of what it would be worth if one more condition removed its losses.
        if (gain - fee - price > 0) extensions.push_back({value + gain - fee - price, gain, loss, b, condition});
      }
      watch.spend(masked.words() * static_cast<std::int64_t>(table.table().n_conditions()));
    }
    std::stable_sort(extensions.begin(), extensions.end(),
                     [](const Extension& a, const Extension& b) { return a.promise > b.promise; });
    std::vector<Beam> next;
    std::set<Rule> taken;
    for (const Extension& extension : extensions) {
      if (next.size() == width) break;
      const Beam& parent = beams[extension.parent];
      Rule rule = extended(parent.rule, extension.condition);
      if (!taken.insert(rule).second) continue;
      Bits cover = parent.cover;
      const Word* bits = table.bits(static_cast<std::size_t>(extension.condition));
      for (std::size_t k = 0; k < cover.size(); ++k) cover[k] &= bits[k];
      next.push_back({std::move(rule), std::move(cover), extension.gain, extension.loss});
    }
    beams = std::move(next);
  }
  Pricing result;
  result.is_complete = false;
  result.rules = std::move(found).sorted();
  return result;
}

}  // namespace fastexpr::rules
