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

[[noreturn]] void refuse(const std::string& what) { throw GraphError("[CellFunctions] " + what); }

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
    Call call{n_units_, kinked.function->branch_size(), {}, {}, {}, {}};
    n_units_ += call.n_units;
    find_columns(call, kinked);
    calls_.push_back(std::move(call));
  }
}

void CellFunctions::find_columns(Call& call, const KinkedCall& kinked) const {
  const std::vector<std::int32_t>& columns = program_.jacobian_positions().columns;
  const auto for_entries = [&](const auto& body) {
    for (std::size_t j = 0; j < kinked.inputs.size(); ++j) {
      const KinkedCall::Input& input = kinked.inputs[j];
      if (input.variable >= 0) body(j, input.variable, Index{-1});
      if (input.row < 0) continue;
      const auto row = static_cast<std::size_t>(input.row);
      for (Index e = row_starts_[row]; e < row_starts_[row + 1]; ++e) body(j, columns[static_cast<std::size_t>(e)], e);
    }
  };
  for_entries([&](std::size_t, std::int32_t column, Index) { call.columns.push_back(column); });
  std::sort(call.columns.begin(), call.columns.end());
  call.columns.erase(std::unique(call.columns.begin(), call.columns.end()), call.columns.end());
  for_entries([&](std::size_t j, std::int32_t column, Index entry) {
    const auto place = std::lower_bound(call.columns.begin(), call.columns.end(), column) - call.columns.begin();
    call.shares.push_back({static_cast<std::int32_t>(j), static_cast<std::int32_t>(place), kinked.inputs[j].scale, entry});
  });
}

void CellFunctions::find_places() {
  for (const tape::CallPlace& place : program_.program().schedule().call_places) {
    const auto is_it = [&](const KinkedCall& kinked) { return kinked.call == place.call; };
    const auto found = std::find_if(kinks_.calls().begin(), kinks_.calls().end(), is_it);
    if (found == kinks_.calls().end()) continue;
    const auto c = static_cast<std::size_t>(found - kinks_.calls().begin());
    if (place.order == 0) calls_[c].values = place;
    if (place.order == 1) calls_[c].derivatives = place;
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
    return {-1, std::string(opcode_names[kink.opcode]), nullptr, 0, kink.is_step()};
  }
  const auto c = static_cast<std::size_t>(call);
  const auto [node, own] = kinks_.calls()[c].function->kinked_unit(number - calls_[c].first_unit);
  return {call, node->op->name(), node, own, node->op->is_step()};
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
    if (first.values.evaluation != place.evaluation) continue;
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

// ---- walls -------------------------------------------------------------------------------------------------------------

CellFunctions::KnownWall CellFunctions::known(const Wall& wall) const {
  if (wall.unit < 0 || wall.unit >= n_units_) unit(wall.unit);  // refuses
  const std::int32_t call = call_of(wall.unit);
  const Branch branch = frozen_[static_cast<std::size_t>(wall.unit)];
  bool is_there = false;
  if (call < 0) {
    is_there = kinks_.of_tape()[static_cast<std::size_t>(wall.unit)].has_walls() && wall.to == 1 - branch;
  } else {
    const auto c = static_cast<std::size_t>(call);
    std::vector<fastexpr::Wall> walls;
    kinks_.calls()[c].function->walls(wall.unit - calls_[c].first_unit, branch, walls);
    is_there = std::any_of(walls.begin(), walls.end(), [&](const fastexpr::Wall& other) { return other.to == wall.to; });
  }
  if (!is_there)
    refuse("unit " + std::to_string(wall.unit) + " is on branch " + std::to_string(branch) + " and has no wall towards branch " +
           std::to_string(wall.to) + ".");
  return {wall, call};
}

std::vector<CellFunctions::KnownWall> CellFunctions::known(std::span<const Wall> walls) const {
  std::vector<KnownWall> result;
  for (const Wall& wall : walls) result.push_back(known(wall));
  return result;
}

double CellFunctions::sign_of(const KnownWall& wall) const {
  const TapeKink& kink = kinks_.of_tape()[static_cast<std::size_t>(wall.wall.unit)];
  return wall.wall.to == kink.branch_above() ? -1.0 : 1.0;
}

CellWall CellFunctions::in_network(const KnownWall& wall) const {
  const Call& call = calls_[static_cast<std::size_t>(wall.call)];
  return {0, wall.wall.unit - call.first_unit, wall.wall.to};
}

const double* CellFunctions::rows_at(const double* x) {
  program_.constraints(x, rows_.data());
  return rows_.data();
}

const double* CellFunctions::entries_at(const double* x) {
  program_.jacobian(x, entries_.data());
  return entries_.data();
}

CellFunctions::Walls CellFunctions::walls(const double* x) {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  const double* rows = rows_at(x);
  Walls result;
  for (std::size_t k = 0; k < kinks_.of_tape().size(); ++k) {
    if (!kinks_.of_tape()[k].has_walls()) continue;
    const KnownWall wall{{static_cast<std::int32_t>(k), 1 - frozen_[k]}, -1};
    result.walls.push_back(wall.wall);
    result.arguments.push_back(sign_of(wall) * rows[kinks_.of_tape()[k].row]);
  }
  for (const Call& call : calls_)
    evaluation(call.values.evaluation).walls(call.values.point, [&](Index unit, Branch to, double argument) {
      result.walls.push_back({static_cast<std::int32_t>(call.first_unit + unit), to});
      result.arguments.push_back(argument);
    });
  return result;
}

Index CellFunctions::n_entries(const KnownWall& wall) const {
  if (wall.call >= 0) return static_cast<Index>(calls_[static_cast<std::size_t>(wall.call)].columns.size());
  const auto row = static_cast<std::size_t>(kinks_.of_tape()[static_cast<std::size_t>(wall.wall.unit)].row);
  return row_starts_[row + 1] - row_starts_[row];
}

void CellFunctions::append_columns(const KnownWall& wall, std::vector<std::int32_t>& columns) const {
  if (wall.call >= 0) {
    const std::vector<std::int32_t>& own = calls_[static_cast<std::size_t>(wall.call)].columns;
    columns.insert(columns.end(), own.begin(), own.end());
    return;
  }
  const auto row = static_cast<std::size_t>(kinks_.of_tape()[static_cast<std::size_t>(wall.wall.unit)].row);
  const auto begin = program_.jacobian_positions().columns.begin();
  columns.insert(columns.end(), begin + row_starts_[row], begin + row_starts_[row + 1]);
}

/// visit(number of the wall, its gradient with respect to the network's inputs), at the point of `entries_`.
template <class Visit>
void CellFunctions::for_network_gradients(std::span<const KnownWall> walls, const Visit& visit) {
  std::vector<std::size_t> which;
  std::vector<CellWall> here;
  std::vector<double> gradients;
  for (const Place& place : places_) {
    which.clear();
    here.clear();
    for (std::size_t k = 0; k < walls.size(); ++k) {
      if (walls[k].call < 0) continue;
      const tape::CallPlace& at = calls_[static_cast<std::size_t>(walls[k].call)].derivatives;
      if (at.evaluation != place.evaluation) continue;
      which.push_back(k);
      here.push_back(in_network(walls[k]));
      here.back().point = at.point;
    }
    if (which.empty()) continue;
    const Index n = kinks_.calls()[place.calls.front()].function->n_inputs();
    gradients.resize(which.size() * static_cast<std::size_t>(n));
    evaluation(place.evaluation).wall_gradients(here, gradients.data());
    for (std::size_t k = 0; k < which.size(); ++k) visit(which[k], gradients.data() + static_cast<Index>(k) * n);
  }
}

/// After entries_at.
void CellFunctions::fill_gradients(std::span<const KnownWall> walls, double* entries) {
  std::vector<Index> starts{0};
  for (const KnownWall& wall : walls) starts.push_back(starts.back() + n_entries(wall));
  std::fill_n(entries, starts.back(), 0.0);
  for (std::size_t k = 0; k < walls.size(); ++k) {
    if (walls[k].call >= 0) continue;
    const auto row = static_cast<std::size_t>(kinks_.of_tape()[static_cast<std::size_t>(walls[k].wall.unit)].row);
    const double sign = sign_of(walls[k]);
    for (Index e = row_starts_[row]; e < row_starts_[row + 1]; ++e)
      entries[starts[k] + e - row_starts_[row]] = sign * entries_[static_cast<std::size_t>(e)];
  }
  for_network_gradients(walls, [&](std::size_t k, const double* gradient) {
    for (const Call::Share& share : calls_[static_cast<std::size_t>(walls[k].call)].shares) {
      const double slope = share.entry < 0 ? 1.0 : entries_[static_cast<std::size_t>(share.entry)];
      entries[starts[k] + share.column] += rows::product(share.scale * gradient[share.input], slope);
    }
  });
}

CellFunctions::Rows CellFunctions::wall_gradients(const double* x, std::span<const Wall> walls) {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  const std::vector<KnownWall> all = known(walls);
  Rows result{{0}, {}, {}};
  for (const KnownWall& wall : all) {
    append_columns(wall, result.columns);
    result.starts.push_back(static_cast<Index>(result.columns.size()));
  }
  result.entries.resize(result.columns.size());
  entries_at(x);
  fill_gradients(all, result.entries.data());
  return result;
}

void CellFunctions::choose(std::span<const Wall> walls) {
  const std::scoped_lock lock(mutex_);
  expect_frozen();
  chosen_ = known(walls);
}

std::vector<CellFunctions::Wall> CellFunctions::chosen() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Wall> result;
  for (const KnownWall& wall : chosen_) result.push_back(wall.wall);
  return result;
}

Index CellFunctions::n_walls() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<Index>(chosen_.size());
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
      *next++ = sign_of(wall) * rows[kinks_.of_tape()[static_cast<std::size_t>(wall.wall.unit)].row];
      continue;
    }
    const tape::CallPlace& at = calls_[static_cast<std::size_t>(wall.call)].values;
    CellWall own = in_network(wall);
    own.point = at.point;
    *next++ = evaluation(at.evaluation).wall_argument(own);
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

/// Multipliers of walls: where networks are evaluated, and for the rows behind the program's own.
void CellFunctions::weigh_walls(const double* weights) {
  std::vector<CellWall> here;
  std::vector<double> weights_here;
  for (const Place& place : places_) {
    if (!place.has_hessians) continue;
    here.clear();
    weights_here.clear();
    for (std::size_t k = 0; k < chosen_.size(); ++k)
      for (std::size_t p = 0; chosen_[k].call >= 0 && p < place.calls.size(); ++p)
        if (place.calls[p] == static_cast<std::size_t>(chosen_[k].call)) {
          here.push_back(in_network(chosen_[k]));
          here.back().point = static_cast<Index>(p);
          weights_here.push_back(weights[k]);
        }
    evaluation(place.evaluation).set_wall_weights(here, weights_here.data());
  }
  std::vector<KnownWall> composed;  // of networks whose inputs are not all variables
  std::vector<double> weights_of_composed;
  for (std::size_t k = 0; k < chosen_.size(); ++k) {
    const KnownWall& wall = chosen_[k];
    if (wall.call < 0) {
      multipliers_[static_cast<std::size_t>(kinks_.of_tape()[static_cast<std::size_t>(wall.wall.unit)].row)] +=
          sign_of(wall) * weights[k];
      continue;
    }
    const auto& inputs = kinks_.calls()[static_cast<std::size_t>(wall.call)].inputs;
    if (weights[k] == 0 || std::all_of(inputs.begin(), inputs.end(), [](const auto& input) { return input.row < 0; })) continue;
    composed.push_back(wall);
    weights_of_composed.push_back(weights[k]);
  }
  for_network_gradients(composed, [&](std::size_t k, const double* gradient) {
    for (const KinkedCall::Input& input : kinks_.calls()[static_cast<std::size_t>(composed[k].call)].inputs) {
      if (input.row >= 0) multipliers_[static_cast<std::size_t>(input.row)] += weights_of_composed[k] * input.scale * *gradient;
      ++gradient;
    }
  });
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
