// Walls of the cell that a program is in: their arguments, gradients, and multipliers.

#include <algorithm>

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "nlp/cell_functions.hpp"

namespace fastexpr::nlp {

namespace {}  // namespace

/// The row of a wall w(u) of a network: the entries that u(x) and the components of u that w depends on make.
const CellFunctions::Gradient* CellFunctions::gradient_of(std::int32_t call, Index unit) {
  Call& own = calls_[static_cast<std::size_t>(call)];
  const KinkedCall& kinked = kinks_.calls()[static_cast<std::size_t>(call)];
  const KinkStructure& known = kinked.function->kink_structure();
  const auto set = static_cast<std::size_t>(known.set_of_unit[static_cast<std::size_t>(unit - own.first_unit)]);
  if (own.gradients[set] != nullptr) return own.gradients[set].get();
  auto gradient = std::make_unique<Gradient>();
  const auto for_entries = [&](const auto& body) {
    for (const std::int32_t j : known.sets[set]) {
      const KinkedCall::Input& input = kinked.inputs[static_cast<std::size_t>(j)];
      if (input.variable >= 0) body(j, input.variable, Index{-1});
      if (input.row < 0) continue;
      const auto row = static_cast<std::size_t>(input.row);
      for (Index e = row_starts_[row]; e < row_starts_[row + 1]; ++e)
        body(j, program_.jacobian_positions().columns[static_cast<std::size_t>(e)], e);
    }
  };
  std::vector<std::int32_t>& columns = gradient->columns;
  for_entries([&](std::int32_t, std::int32_t column, Index) { columns.push_back(column); });
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  for_entries([&](std::int32_t j, std::int32_t column, Index entry) {
    const auto place = std::lower_bound(columns.begin(), columns.end(), column) - columns.begin();
    gradient->shares.push_back({j, static_cast<std::int32_t>(place), kinked.inputs[static_cast<std::size_t>(j)].scale, entry});
  });
  own.gradients[set] = std::move(gradient);
  return own.gradients[set].get();
}

CellFunctions::KnownWall CellFunctions::known(const Wall& wall) {
  if (wall.unit < 0 || wall.unit >= n_units_) unit(wall.unit);  // refuses
  const std::int32_t call = call_of(wall.unit);
  const Branch branch = frozen_[static_cast<std::size_t>(wall.unit)];
  if (call < 0) {
    if (kinks_.of_tape()[static_cast<std::size_t>(wall.unit)].has_walls() && wall.to == 1 - branch)
      return {wall, call, nullptr, {}};
  } else {
    const auto c = static_cast<std::size_t>(call);
    const Index unit = wall.unit - calls_[c].first_unit;
    std::vector<fastexpr::Wall> walls;
    kinks_.calls()[c].function->walls(unit, branch, walls);
    for (const fastexpr::Wall& other : walls)
      if (other.to == wall.to) return {wall, call, gradient_of(call, wall.unit), {0, unit, other}};
  }
  refuse("unit " + std::to_string(wall.unit) + " is on branch " + std::to_string(branch) + " and has no wall towards branch " +
         std::to_string(wall.to) + ".");
}

std::vector<CellFunctions::KnownWall> CellFunctions::known(std::span<const Wall> walls) {
  std::vector<KnownWall> result;
  for (const Wall& wall : walls) result.push_back(known(wall));
  return result;
}

double CellFunctions::sign_of(const KnownWall& wall) const { return wall.wall.to == tape_kink(wall).branch_above() ? -1.0 : 1.0; }

/// Where the wall's network is evaluated in a batch of this order.
CellWall CellFunctions::in_network(const KnownWall& wall, std::size_t order) const {
  CellWall result = wall.in_network;
  result.point = calls_[static_cast<std::size_t>(wall.call)].places[order].point;
  return result;
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
    const KnownWall wall{{static_cast<std::int32_t>(k), 1 - frozen_[k]}, -1, nullptr, {}};
    result.walls.push_back(wall.wall);
    result.arguments.push_back(sign_of(wall) * rows[kinks_.of_tape()[k].row]);
  }
  for (const Call& call : calls_)
    evaluation(call.places[0].evaluation).walls(call.places[0].point, [&](Index unit, Branch to, double argument) {
      result.walls.push_back({static_cast<std::int32_t>(call.first_unit + unit), to});
      result.arguments.push_back(argument);
    });
  return result;
}

Index CellFunctions::n_entries(const KnownWall& wall) const {
  if (wall.call >= 0) return static_cast<Index>(wall.gradient->columns.size());
  const auto row = static_cast<std::size_t>(tape_kink(wall).row);
  return row_starts_[row + 1] - row_starts_[row];
}

void CellFunctions::append_columns(const KnownWall& wall, std::vector<std::int32_t>& columns) const {
  if (wall.call >= 0) {
    columns.insert(columns.end(), wall.gradient->columns.begin(), wall.gradient->columns.end());
    return;
  }
  const auto row = static_cast<std::size_t>(tape_kink(wall).row);
  const auto begin = program_.jacobian_positions().columns.begin();
  columns.insert(columns.end(), begin + row_starts_[row], begin + row_starts_[row + 1]);
}

/// body(place) for every place, with the walls in `here_` that are of networks evaluated there, and their numbers in `which_`.
template <class Body>
void CellFunctions::for_places(std::size_t order, std::span<const KnownWall> walls, const Body& body) {
  for (const Place& place : places_) {
    which_.clear();
    here_.clear();
    for (std::size_t k = 0; k < walls.size(); ++k) {
      if (walls[k].call < 0 || calls_[static_cast<std::size_t>(walls[k].call)].places[order].evaluation != place.evaluation)
        continue;
      which_.push_back(k);
      here_.push_back(in_network(walls[k], order));
    }
    body(place);
  }
}

/// visit(number of the wall, its gradient with respect to the network's inputs), at the point of `entries_`.
template <class Visit>
void CellFunctions::for_network_gradients(std::span<const KnownWall> walls, const Visit& visit) {
  for_places(1, walls, [&](const Place& place) {
    if (which_.empty()) return;
    const Index n = kinks_.calls()[place.calls.front()].function->n_inputs();
    gradients_.resize(which_.size() * static_cast<std::size_t>(n));
    evaluation(place.evaluation).wall_gradients(here_, gradients_.data());
    for (std::size_t k = 0; k < which_.size(); ++k) visit(which_[k], gradients_.data() + static_cast<Index>(k) * n);
  });
}

/// After entries_at.
void CellFunctions::fill_gradients(std::span<const KnownWall> walls, double* entries) {
  starts_.assign(1, 0);
  for (const KnownWall& wall : walls) starts_.push_back(starts_.back() + n_entries(wall));
  std::fill_n(entries, starts_.back(), 0.0);
  for (std::size_t k = 0; k < walls.size(); ++k) {
    if (walls[k].call >= 0) continue;
    const auto row = static_cast<std::size_t>(tape_kink(walls[k]).row);
    const double sign = sign_of(walls[k]);
    for (Index e = row_starts_[row]; e < row_starts_[row + 1]; ++e)
      entries[starts_[k] + e - row_starts_[row]] = sign * entries_[static_cast<std::size_t>(e)];
  }
  for_network_gradients(walls, [&](std::size_t k, const double* gradient) {
    for (const Gradient::Share& share : walls[k].gradient->shares) {
      const double slope = share.entry < 0 ? 1.0 : entries_[static_cast<std::size_t>(share.entry)];
      entries[starts_[k] + share.column] += rows::product(share.scale * gradient[share.input], slope);
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

/// Multipliers of walls: where networks are evaluated, and for the rows behind the program's own.
void CellFunctions::weigh_walls(const double* weights) {
  for_places(2, chosen_, [&](const Place& place) {
    if (!place.has_hessians) return;
    weights_.clear();
    for (const std::size_t k : which_) weights_.push_back(weights[k]);
    evaluation(place.evaluation).set_wall_weights(here_, weights_.data());
  });
  bool is_any_composed = false;  // of a network whose inputs are not all variables
  for (std::size_t k = 0; k < chosen_.size(); ++k) {
    const KnownWall& wall = chosen_[k];
    if (wall.call < 0)
      multipliers_[static_cast<std::size_t>(tape_kink(wall).row)] += sign_of(wall) * weights[k];
    else
      is_any_composed = is_any_composed || calls_[static_cast<std::size_t>(wall.call)].is_composed;
  }
  if (!is_any_composed) return;
  for_network_gradients(chosen_, [&](std::size_t k, const double* gradient) {
    for (const KinkedCall::Input& input : kinks_.calls()[static_cast<std::size_t>(chosen_[k].call)].inputs) {
      if (input.row >= 0) multipliers_[static_cast<std::size_t>(input.row)] += rows::product(weights[k], input.scale * *gradient);
      ++gradient;
    }
  });
}

}  // namespace fastexpr::nlp
