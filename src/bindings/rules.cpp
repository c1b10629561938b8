#include <pybind11/stl.h>

#include "bindings/bindings.hpp"
#include "graph/errors.hpp"
#include "rules/condition_table.hpp"
#include "rules/pricing.hpp"
#include "rules/search.hpp"

namespace fastexpr::bindings {

namespace {

using rules::ConditionTable;
using rules::Rule;
using rules::Watch;
using rules::Weight;
using Flags = py::array_t<std::uint8_t, aligned_rows>;
using Weights = py::array_t<Weight, aligned_rows>;

/// Lets Python's signal handlers run: Ctrl-C becomes an exception that leaves the loop.
void ask_python() {
  const WithGil gil;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

std::span<const Weight> weights_of(const Weights& weights, const ConditionTable& table, const char* what) {
  if (weights.ndim() != 1 || static_cast<std::size_t>(weights.size()) != table.n_rows())
    throw ShapeError(std::string("[ConditionTable] ") + what + " has a wrong shape: got " + std::to_string(weights.size()) +
                     " weights, expected one for each of " + std::to_string(table.n_rows()) + " rows.");
  const std::span<const Weight> result(weights.data(), table.n_rows());
  // Sums stay below 2^62 by a wide margin.
  double total = 0.0;
  for (const Weight weight : result) {
    if (weight < 0) throw ShapeError(std::string("[ConditionTable] ") + what + " has a negative weight.");
    total += static_cast<double>(weight);
  }
  if (total > 1e17) throw ShapeError(std::string("[ConditionTable] ") + what + " are too large: their sum is over 1e17.");
  return result;
}

void check_rules(const std::vector<Rule>& rules, const ConditionTable& table) {
  for (const Rule& rule : rules)
    for (const std::int32_t j : rule)
      if (j < 0 || static_cast<std::size_t>(j) >= table.n_conditions())
        throw ShapeError("[ConditionTable] a rule has condition " + std::to_string(j) + ", expected 0 to " +
                         std::to_string(table.n_conditions()) + " - 1.");
}

std::shared_ptr<ConditionTable> make(const Flags& holds) {
  if (holds.ndim() != 2) throw ShapeError("[ConditionTable] holds has a wrong shape: expected (conditions, rows).");
  const auto n_conditions = static_cast<std::size_t>(holds.shape(0)), n_rows = static_cast<std::size_t>(holds.shape(1));
  const WithoutGil released;
  return std::make_shared<ConditionTable>(n_conditions, n_rows, holds.data());
}

py::tuple result_of(const rules::Pricing& pricing, const Watch& watch) {
  py::list found;
  for (const rules::PricedRule& rule : pricing.rules) found.append(py::cast(rule.rule));
  return py::make_tuple(found, pricing.bound, pricing.is_complete, watch.is_out_of_time(), watch.work());
}

py::tuple price(const ConditionTable& table, const Weights& gains, const Weights& losses, Weight price, int max_length,
                std::size_t n_rules, std::size_t width, double seconds, std::int64_t work) {
  const auto gain = weights_of(gains, table, "gains"), loss = weights_of(losses, table, "losses");
  if (price < 0 || max_length < 1) throw ShapeError("[ConditionTable] price and max_length must not be negative.");
  Watch watch(seconds, work, ask_python);
  rules::Pricing pricing;
  {
    const WithoutGil released;
    const rules::WeightedTable weighted(table, gain, loss);
    pricing = width > 0 ? rules::price_by_beam(weighted, price, max_length, width, n_rules, watch)
                        : rules::price_exactly(weighted, price, max_length, n_rules, watch);
  }
  return result_of(pricing, watch);
}

py::tuple search(const ConditionTable& table, const Weights& gains, const Weights& losses, const std::vector<Rule>& rules,
                 std::int64_t max_complexity, bool is_hamming, const std::vector<std::size_t>& start, int restarts,
                 std::uint64_t seed, double seconds, std::int64_t work) {
  const auto gain = weights_of(gains, table, "gains"), loss = weights_of(losses, table, "losses");
  check_rules(rules, table);
  for (const std::size_t k : start)
    if (k >= rules.size()) throw ShapeError("[ConditionTable] start has the rule " + std::to_string(k) + ", which is not there.");
  Watch watch(seconds, work, ask_python);
  rules::Selection found;
  {
    const WithoutGil released;
    const rules::WeightedTable weighted(table, gain, loss);
    const rules::SearchSettings settings{is_hamming ? rules::Loss::hamming : rules::Loss::zero_one, max_complexity, restarts,
                                         seed};
    found = rules::search_rules(weighted, rules, settings, start, watch);
  }
  return py::make_tuple(found.rules, found.value, watch.is_out_of_time());
}

}  // namespace

void define_rules(py::module_& module) {
  py::class_<ConditionTable, std::shared_ptr<ConditionTable>> type(
      module, "ConditionTable", "Which rows fulfil which conditions, (conditions, rows), to learn Boolean rules from.");
  define_new(type);
  type.def(py::init(&make), py::arg("holds"))
      .def_property_readonly("n_conditions", &ConditionTable::n_conditions)
      .def_property_readonly("n_rows", &ConditionTable::n_rows)
      .def("price", &price, py::arg("gains"), py::arg("losses"), py::arg("price"), py::arg("max_length"), py::arg("n_rules"),
           py::arg("width"), py::arg("seconds"), py::arg("work"),
           "Rules worth more than nothing, gains - losses - price (1 + conditions), best first; a bound on what any rule is "
           "worth; whether that is complete; whether time ran out; and the work done. By a beam where width > 0, else exactly.")
      .def("search", &search, py::arg("gains"), py::arg("losses"), py::arg("rules"), py::arg("max_complexity"),
           py::arg("is_hamming"), py::arg("start"), py::arg("restarts"), py::arg("seed"), py::arg("seconds"), py::arg("work"),
           "A selection of rules by local search, what it is worth, and whether time ran out.");
}

}  // namespace fastexpr::bindings
