#include "nlp/cell_functions.hpp"

#include <algorithm>
#include <numeric>

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "nlp/network.hpp"
#include "nlp/opcodes.hpp"

// The program below knows nothing of cells: branches of the tape's own kinks are parameters to it, and networks are frozen where
// they are evaluated. Behind its rows it has some more, of which arguments of walls consist: those of the tape's kinks, and
// inputs u(x) of networks that are no variables. The row of a network's wall w(u) has the gradient sum_j w_j' du_j/dx, and to
// the Hessian it adds its own second derivatives, which come with those of the network, and those of u_j, which get the
// multiplier of their row.

namespace fastexpr::nlp {

namespace {

void expect_size(std::size_t size, std::size_t expected) {
  if (size != expected)
    refuse("the walls have changed: there are " + std::to_string(expected) + " numbers, not " + std::to_string(size) +
           ". Choose walls, then evaluate.");
}

}  // namespace

CellFunctions::CellFunctions(std::shared_ptr<const OwnedStatement> statement, std::vector<tape::ExternalPointer> externals,
                             bool has_hessian, const double* parameters)
    : statement_(std::move(statement)),
      kinks_(statement_->statement),
      program_(statement_, std::move(externals), has_hessian, &kinks_),
      parameters_(static_cast<std::size_t>(program_.n_parameters()), 1.0),
      rows_(static_cast<std::size_t>(program_.n_rows())),
      entries_(program_.jacobian_positions().rows.size()),
      multipliers_(rows_.size()) {
  std::copy_n(parameters, n_parameters(), parameters_.begin());
  program_.set_parameters(parameters_.data());
  const std::vector<std::int32_t>& rows = program_.jacobian_positions().rows;
  for (Index row = 0; row <= program_.n_rows(); ++row)
    row_starts_.push_back(std::lower_bound(rows.begin(), rows.end(), static_cast<std::int32_t>(row)) - rows.begin());
  n_own_entries_ = row_starts_[static_cast<std::size_t>(n_rows())];
  find_calls();
  find_places();
}

void CellFunctions::find_calls() {
  n_units_ = static_cast<Index>(kinks_.of_tape().size());
  for (const KinkedCall& kinked : kinks_.calls()) {
    constexpr tape::CallPlace none{-1, -1, -1, static_cast<std::size_t>(-1)};
    const bool is_composed = std::any_of(kinked.inputs.begin(), kinked.inputs.end(), [](const auto& in) { return in.row >= 0; });
    calls_.push_back({n_units_, kinked.function->branch_size(), {}, {none, none, none}, is_composed});
    calls_.back().gradients.resize(kinked.function->kink_structure().sets.size());
    n_units_ += calls_.back().n_units;
  }
}

void CellFunctions::find_places() {
  for (const tape::CallPlace& place : program_.program().schedule().call_places) {
    const auto is_it = [&](const KinkedCall& kinked) { return kinked.call == place.call; };
    const auto found = std::find_if(kinks_.calls().begin(), kinks_.calls().end(), is_it);
    if (found == kinks_.calls().end()) continue;
    const auto c = static_cast<std::size_t>(found - kinks_.calls().begin());
    calls_[c].places[static_cast<std::size_t>(place.order)] = place;
    const auto is_here = [&](const Place& known) { return known.evaluation == place.evaluation; };
    auto known = std::find_if(places_.begin(), places_.end(), is_here);
    if (known == places_.end()) known = places_.insert(known, Place{place.evaluation, false, {}});
    known->has_hessians = known->has_hessians || place.order == 2;
    known->calls.resize(std::max(known->calls.size(), static_cast<std::size_t>(place.point) + 1));
    known->calls[static_cast<std::size_t>(place.point)] = c;
  }
}

fastexpr::Evaluation& CellFunctions::evaluation(std::size_t number) const {
  return static_cast<Network::Evaluation&>(program_.program().evaluation(number)).cells();
}

std::int32_t CellFunctions::call_of(Index unit) const {
  const auto after = std::upper_bound(calls_.begin(), calls_.end(), unit,
                                      [](Index number, const Call& call) { return number < call.first_unit; });
  return static_cast<std::int32_t>(after - calls_.begin()) - 1;
}

CellFunctions::Unit CellFunctions::unit(Index number) const {
  if (number < 0 || number >= n_units_)
    refuse("there is no unit " + std::to_string(number) + ": there are " + std::to_string(n_units_) + ".");
  const std::int32_t call = call_of(number);
  if (call < 0) {
    const TapeKink& kink = kinks_.of_tape()[static_cast<std::size_t>(number)];
    return {-1, std::string(opcode_table[kink.opcode].name), nullptr, 0, kink.is_step(), kink.rank};
  }
  const auto c = static_cast<std::size_t>(call);
  const KinkedCall& kinked = kinks_.calls()[c];
  const Index in_call = number - calls_[c].first_unit;
  const auto [node, own] = kinked.function->kinked_unit(in_call);
  const std::int32_t rank = kinked.function->kink_structure().rank_of_unit[static_cast<std::size_t>(in_call)];
  return {call, node->op->name(), node, own, node->op->is_step(), kinked.rank + rank};
}

std::vector<std::int32_t> CellFunctions::call_inputs(Index call) const {
  if (call < 0 || call >= n_calls())
    refuse("there is no call " + std::to_string(call) + ": there are " + std::to_string(n_calls()) + ".");
  std::vector<std::int32_t> result;
  for (const KinkedCall::Input& input : kinks_.calls()[static_cast<std::size_t>(call)].inputs) result.push_back(input.variable);
  return result;
}

// ---- branches ----------------------------------------------------------------------------------------------------------

void CellFunctions::set_parameters(const double* values) {
  const std::scoped_lock lock(mutex_);
  std::copy_n(values, n_parameters(), parameters_.begin());
  program_.set_parameters(parameters_.data());
}

void CellFunctions::set_tape_branches(const Branch* branches) {
  for (std::size_t k = 0; k < kinks_.of_tape().size(); ++k)
    parameters_[static_cast<std::size_t>(n_parameters()) + k] = kinks_.of_tape()[k].parameter(branches[k]);
  program_.set_parameters(parameters_.data());
}

/// Null: networks are on the branches of their points.
void CellFunctions::set_branches(const Branch* branches) {
  if (branches != nullptr) set_tape_branches(branches);
  std::vector<Branch> here;
  for (const Place& place : places_) {
    here.clear();
    for (const std::size_t c : place.calls)
      if (branches != nullptr)
        here.insert(here.end(), branches + calls_[c].first_unit, branches + calls_[c].first_unit + calls_[c].n_units);
    evaluation(place.evaluation).freeze(branches == nullptr ? nullptr : here.data());
  }
  program_.forget_point();
}

/// A kink may be behind others: one more of a row of them is right after each round.
void CellFunctions::find_tape_branches(const double* x, Branch* branches) {
  const std::size_t n = kinks_.of_tape().size();
  std::vector<Branch> next(n);
  for (std::size_t round = 0; round <= n; ++round) {
    set_tape_branches(branches);
    const double* rows = rows_at(x);
    for (std::size_t k = 0; k < n; ++k) next[k] = kinks_.of_tape()[k].branch_at(rows[kinks_.of_tape()[k].row]);
    if (std::equal(next.begin(), next.end(), branches)) return;
    std::copy(next.begin(), next.end(), branches);
  }
}

void CellFunctions::branches(const double* x, Branch* branches) {
  const std::scoped_lock lock(mutex_);
  const struct Restoring {
    CellFunctions& cells;
    ~Restoring() {
      if (!cells.frozen_.empty()) cells.set_branches(cells.frozen_.data());
    }
  } restoring{*this};
  set_branches(nullptr);
  std::fill_n(branches, n_units_, 0);
  find_tape_branches(x, branches);
  std::vector<Branch> here;
  for (const Place& place : places_) {
    const Call& first = calls_[place.calls.front()];
    if (first.places[0].evaluation != place.evaluation) continue;
    here.resize(place.calls.size() * static_cast<std::size_t>(first.n_units));
    evaluation(place.evaluation).branches(here.data());
    for (std::size_t p = 0; p < place.calls.size(); ++p)
      std::copy_n(here.data() + static_cast<Index>(p) * first.n_units, first.n_units,
                  branches + calls_[place.calls[p]].first_unit);
  }
}

void CellFunctions::freeze(const Branch* branches) {
  const std::scoped_lock lock(mutex_);
  std::vector<fastexpr::Wall> walls;
  for (Index u = 0; u < n_units_; ++u) {
    const std::int32_t c = call_of(u);
    walls.clear();
    const bool is_there = c < 0 ? branches[u] == 0 || branches[u] == 1
                                : kinks_.calls()[static_cast<std::size_t>(c)].function->walls(
                                      u - calls_[static_cast<std::size_t>(c)].first_unit, branches[u], walls);
    if (!is_there) refuse("unit " + std::to_string(u) + " has no branch " + std::to_string(branches[u]) + ".");
  }
  frozen_.assign(branches, branches + n_units_);
  chosen_.clear();
  set_branches(frozen_.data());
}

void CellFunctions::expect_frozen() const {
  if (frozen_.empty()) refuse("there is no cell yet. Call freeze() with branches first.");
}

std::vector<Branch> CellFunctions::frozen() const {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  return frozen_;
}

// ---- the program in the cell -------------------------------------------------------------------------------------------

double CellFunctions::objective(const double* x) {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  return program_.objective(x);
}

void CellFunctions::gradient(const double* x, double* result) {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  program_.gradient(x, result);
}

void CellFunctions::constraints(const double* x, std::span<double> result) {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  expect_size(result.size(), static_cast<std::size_t>(n_rows()) + chosen_.size());
  const double* rows = rows_at(x);
  double* next = std::copy_n(rows, n_rows(), result.data());
  for (const KnownWall& wall : chosen_) {
    if (wall.call < 0) {
      *next++ = sign_of(wall) * rows[tape_kink(wall).row];
      continue;
    }
    const std::size_t here = calls_[static_cast<std::size_t>(wall.call)].places[0].evaluation;
    *next++ = evaluation(here).wall_argument(in_network(wall, 0));
  }
}

Positions CellFunctions::jacobian_positions() const {
  const std::scoped_lock lock(mutex_);
  const Positions& all = program_.jacobian_positions();
  Positions result{{all.rows.begin(), all.rows.begin() + n_own_entries_},
                   {all.columns.begin(), all.columns.begin() + n_own_entries_}};
  for (std::size_t k = 0; k < chosen_.size(); ++k) {
    append_columns(chosen_[k], result.columns);
    result.rows.resize(result.columns.size(), static_cast<std::int32_t>(n_rows()) + static_cast<std::int32_t>(k));
  }
  return result;
}

Index CellFunctions::n_jacobian_entries() const {
  const std::scoped_lock lock(mutex_);
  return count_entries();
}

Index CellFunctions::count_entries() const {
  Index count = n_own_entries_;
  for (const KnownWall& wall : chosen_) count += n_entries(wall);
  return count;
}

void CellFunctions::jacobian(const double* x, std::span<double> entries) {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  expect_size(entries.size(), static_cast<std::size_t>(count_entries()));
  fill_gradients(chosen_, std::copy_n(entries_at(x), n_own_entries_, entries.data()));
}

void CellFunctions::hessian(const double* x, std::span<const double> multipliers, double objective_factor, double* entries) {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  expect_size(multipliers.size(), static_cast<std::size_t>(n_rows()) + chosen_.size());
  entries_at(x);
  std::fill(multipliers_.begin(), multipliers_.end(), 0.0);
  std::copy_n(multipliers.data(), n_rows(), multipliers_.begin());
  weigh_walls(multipliers.data() + n_rows());
  program_.hessian(x, multipliers_.data(), objective_factor, entries);
}

void CellFunctions::row_constants(std::span<double> result) {
  const std::scoped_lock lock(mutex_);
  expect_size(result.size(), static_cast<std::size_t>(n_rows()) + chosen_.size());
  std::vector<double> all(rows_.size());
  program_.row_constants(all.data());
  std::fill(std::copy_n(all.begin(), n_rows(), result.begin()), result.end(), 0.0);
}

std::vector<std::string> CellFunctions::steps(const double* lower, const double* upper) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> result = program_.steps(lower, upper);
  if (result.empty()) return result;
  result.resize(static_cast<std::size_t>(n_rows()) + 1);
  result.resize(result.size() + chosen_.size());
  return result;
}

}  // namespace fastexpr::nlp
