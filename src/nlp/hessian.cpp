#include "nlp/hessian.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/errors.hpp"

namespace fastexpr::nlp {

using tape::Scaled;
using tape::Stage;

namespace {

/// A factor that is exactly 0 annihilates the other, even one that is not finite.
double product(double a, double b) { return a == 0.0 || b == 0.0 ? 0.0 : a * b; }

bool are_finite(const std::vector<double>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](double number) { return std::isfinite(number); });
}

template <class Body>
void for_row(const tape::SymbolicMatrix& matrix, std::int32_t row, const Body& body) {
  const auto r = static_cast<std::size_t>(row);
  for (Index e = matrix.starts[r]; e < matrix.starts[r + 1]; ++e) body(static_cast<std::size_t>(e));
}

}  // namespace

Hessian::Hessian(const tape::Tape& tape, tape::LagrangianHessian symbolic, tape::Outputs& outputs)
    : entries_(std::move(symbolic.entries)),
      hubs_(std::move(symbolic.hubs)),
      with_variables_(std::move(symbolic.with_variables)),
      among_hubs_(std::move(symbolic.among_hubs)),
      first_call_(outputs.hessians_of_calls.size()) {
  const auto weights_of = [](const Couplings& couplings) {
    std::vector<Scaled> weights;
    for (const auto& coupling : couplings) weights.push_back(coupling.weight);
    return weights;
  };
  for (const Index call : symbolic.calls) {
    take_call(tape, call);
    outputs.hessians_of_calls.push_back(call);
  }
  if (std::all_of(factors_.begin(), factors_.end(), [](double factor) { return factor == 1.0; })) factors_.clear();
  symbolic_ = want(std::move(entries_.entries), outputs);
  gradients_ = want(std::move(hubs_.entries), outputs);
  variable_weights_ = want(weights_of(with_variables_), outputs);
  hub_weights_ = want(weights_of(among_hubs_), outputs);
  find_positions(tape.n_variables());
}

void Hessian::take_call(const tape::Tape& tape, Index number) {
  const tape::Call& call = tape.calls()[static_cast<std::size_t>(number)];
  const std::size_t begin = sources_.size();
  for (const tape::External::Entry& entry : tape.hessian_entries(call.target).entries) {
    const Scaled a = call.inputs[static_cast<std::size_t>(entry.row)], b = call.inputs[static_cast<std::size_t>(entry.column)];
    if (!tape.is_variable(a.id) || !tape.is_variable(b.id)) continue;
    const double mirrored = entry.row != entry.column && a.id == b.id ? 2.0 : 1.0;
    sources_.push_back(entry.place);
    rows_of_calls_.push_back(std::max(a.id, b.id) - 1);
    columns_of_calls_.push_back(std::min(a.id, b.id) - 1);
    factors_.push_back(mirrored * a.scale * b.scale);
  }
  calls_.push_back({begin, sources_.size()});
}

Hessian::Numbers Hessian::want(std::vector<Scaled> numbers, tape::Outputs& outputs) const {
  const Numbers result{outputs.numbers.size(), numbers.size()};
  outputs.numbers.push_back({std::move(numbers), Stage::second});
  return result;
}

/// Row and column of every summand.
template <class Visit>
void Hessian::for_places(const Visit& visit) const {
  const auto visit_pair = [&](std::int32_t i, std::int32_t j) { visit(std::max(i, j), std::min(i, j)); };
  for (std::size_t row = 0; row + 1 < entries_.starts.size(); ++row)
    for_row(entries_, static_cast<std::int32_t>(row),
            [&](std::size_t e) { visit(static_cast<std::int32_t>(row), entries_.columns[e]); });
  for (std::size_t e = 0; e < sources_.size(); ++e) visit(rows_of_calls_[e], columns_of_calls_[e]);
  for (const auto& [variable, hub, weight] : with_variables_)
    for_row(hubs_, hub, [&, j = variable](std::size_t e) { visit_pair(j, hubs_.columns[e]); });
  for (const auto& [first, second, weight] : among_hubs_)
    for_row(hubs_, first, [&, f = first, s = second](std::size_t e) {
      for_row(hubs_, s, [&](std::size_t d) {
        if (f != s || d <= e) visit_pair(hubs_.columns[e], hubs_.columns[d]);
      });
    });
}

void Hessian::find_positions(Index n_variables) {
  const auto n = static_cast<std::size_t>(n_variables);
  if (is_only_symbolic()) {  // sorted already, each place once
    positions_.columns = entries_.columns;
    for (std::size_t row = 0; row < n; ++row)
      positions_.rows.resize(static_cast<std::size_t>(entries_.starts[row + 1]), static_cast<std::int32_t>(row));
    return;
  }
  std::vector<std::size_t> starts(n + 1, 0);
  for_places([&](std::int32_t row, std::int32_t) { ++starts[static_cast<std::size_t>(row) + 1]; });
  for (std::size_t row = 0; row < n; ++row) starts[row + 1] += starts[row];
  if (starts[n] > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw GraphError("the model is too large: its second derivatives have more than 2^31 summands.");
  struct Summand {
    std::int32_t column;
    std::int32_t number;
  };
  std::vector<Summand> summands(starts[n]);
  std::vector<std::size_t> next(starts.begin(), starts.end() - 1);
  std::int32_t count = 0;
  for_places([&](std::int32_t row, std::int32_t column) { summands[next[static_cast<std::size_t>(row)]++] = {column, count++}; });
  std::vector<std::int32_t> places(n, -1);
  targets_.resize(summands.size());
  for (std::size_t row = 0; row < n; ++row) {
    const auto begin = static_cast<std::ptrdiff_t>(positions_.columns.size());
    for (std::size_t s = starts[row]; s < starts[row + 1]; ++s) {
      std::int32_t& place = places[static_cast<std::size_t>(summands[s].column)];
      if (place < 0) positions_.columns.push_back(summands[s].column);
      place = 0;
    }
    const auto first = positions_.columns.begin() + begin;
    if (!std::is_sorted(first, positions_.columns.end())) std::sort(first, positions_.columns.end());
    for (auto p = static_cast<std::size_t>(begin); p < positions_.columns.size(); ++p)
      places[static_cast<std::size_t>(positions_.columns[p])] = static_cast<std::int32_t>(p);
    for (std::size_t s = starts[row]; s < starts[row + 1]; ++s)
      targets_[static_cast<std::size_t>(summands[s].number)] = places[static_cast<std::size_t>(summands[s].column)];
    for (auto p = static_cast<std::size_t>(begin); p < positions_.columns.size(); ++p)
      places[static_cast<std::size_t>(positions_.columns[p])] = -1;
    positions_.rows.resize(positions_.columns.size(), static_cast<std::int32_t>(row));
  }
  for (std::vector<std::int32_t>* numbers : {&rows_of_calls_, &columns_of_calls_}) std::vector<std::int32_t>().swap(*numbers);
}

Index Hessian::bytes() const {
  return static_cast<Index>((targets_.size() + sources_.size() + entries_.columns.size() + hubs_.columns.size() +
                             positions_.rows.size() + positions_.columns.size()) *
                                sizeof(std::int32_t) +
                            (factors_.size() + symbolic_.count + gradients_.count) * sizeof(double));
}

void Hessian::fill(const tape::Program& program, Scratch& scratch, double* entries) const {
  if (is_only_symbolic()) {
    program.gather(symbolic_.output, entries);
    return;
  }
  symbolic_.gather(program, scratch.symbolic);
  gradients_.gather(program, scratch.gradients);
  variable_weights_.gather(program, scratch.variable_weights);
  hub_weights_.gather(program, scratch.hub_weights);
  std::fill_n(entries, positions_.rows.size(), 0.0);
  const std::int32_t* target = targets_.data();
  for (const double value : scratch.symbolic) entries[*target++] += value;
  target = add_calls(program, target, entries);
  target = add_with_variables(scratch, target, entries);
  add_among_hubs(scratch, target, entries);
}

const std::int32_t* Hessian::add_calls(const tape::Program& program, const std::int32_t* target, double* entries) const {
  for (std::size_t k = 0; k < calls_.size(); ++k) {
    const auto [begin, end] = calls_[k];
    const double* numbers = program.hessian_of_call(first_call_ + k);
    if (factors_.empty())
      for (std::size_t e = begin; e < end; ++e) entries[*target++] += numbers[sources_[e]];
    else
      for (std::size_t e = begin; e < end; ++e) entries[*target++] += factors_[e] * numbers[sources_[e]];
  }
  return target;
}

const std::int32_t* Hessian::add_with_variables(const Scratch& scratch, const std::int32_t* target, double* entries) const {
  for (std::size_t k = 0; k < with_variables_.size(); ++k) {
    const auto& [variable, hub, weight] = with_variables_[k];
    for_row(hubs_, hub, [&, j = variable](std::size_t e) {
      entries[*target++] += product(scratch.variable_weights[k], (hubs_.columns[e] == j ? 2.0 : 1.0) * scratch.gradients[e]);
    });
  }
  return target;
}

void Hessian::add_among_hubs(const Scratch& scratch, const std::int32_t* target, double* entries) const {
  const std::vector<double>& slopes = scratch.gradients;
  const bool is_finite = are_finite(slopes) && are_finite(scratch.hub_weights);
  for (std::size_t k = 0; k < among_hubs_.size(); ++k) {
    const std::int32_t first = among_hubs_[k].first, second = among_hubs_[k].second;
    for_row(hubs_, first, [&](std::size_t e) {
      const double factor = product(scratch.hub_weights[k], slopes[e]);
      const auto begin = static_cast<std::size_t>(hubs_.starts[static_cast<std::size_t>(second)]);
      const std::size_t end =
          first == second ? e + 1 : static_cast<std::size_t>(hubs_.starts[static_cast<std::size_t>(second) + 1]);
      for (std::size_t d = begin; d < end; ++d) {
        const double twice = first != second && hubs_.columns[d] == hubs_.columns[e] ? 2.0 : 1.0;
        entries[*target++] += twice * (is_finite ? factor * slopes[d] : product(factor, slopes[d]));
      }
    });
  }
}

}  // namespace fastexpr::nlp
