// A function whose kinked units are on given branches: in its cell, and beyond the walls of it.

#include <algorithm>
#include <cmath>

#include "function/evaluation_chunk.hpp"
#include "function/implementation.hpp"

namespace fastexpr {

namespace {

constexpr Index most_columns = 64;  // gradients at a time

/// The node of a unit.
NodeId node_of(const Layout& layout, Index unit) {
  const auto after = std::upper_bound(layout.kinked().begin(), layout.kinked().end(), unit,
                                      [&](Index number, NodeId id) { return number < layout.branch_offset(id); });
  return *(after - 1);
}

double argument(const Workspace& workspace, const Node& node, const Wall& wall, Index point) {
  const auto number = [&](int input, Index unit) {
    return workspace.value(node.inputs[static_cast<std::size_t>(input)])[unit * workspace.points() + point];
  };
  const double other = wall.other_input < 0 ? 0.0 : number(wall.other_input, wall.other_unit);
  return wall.sign * (number(wall.input, wall.unit) - other - wall.offset);
}

}  // namespace

Index Function::branch_size() const { return implementation_->layout.branch_size(); }

Function::KinkedUnit Function::kinked_unit(Index number) const {
  const NodeId id = node_of(implementation_->layout, number);
  return {&graph().node(id), number - implementation_->layout.branch_offset(id)};
}

const KinkStructure& Function::kink_structure() const {
  Implementation& self = *implementation_;
  std::call_once(self.kink_structure_once, [&] { self.kink_structure = find_kink_structure(self.graph, self.layout); });
  return self.kink_structure;
}

bool Function::walls(Index unit, Branch branch, std::vector<Wall>& walls) const {
  const auto [node, own] = kinked_unit(unit);
  return node->op->walls(own, branch, walls);
}

void Evaluation::freeze(const Branch* branches) {
  const Index size = function_->branch_size();
  for (Chunk& chunk : chunks_) {
    chunk.forget();
    chunk.wall_seeds.clear();
    chunk.workspace->set_branches(nullptr);
    if (branches == nullptr) continue;
    chunk.branches.resize(static_cast<std::size_t>(size * chunk.points()));
    for (Index i = 0; i < size; ++i)
      for (Index p = 0; p < chunk.points(); ++p)
        chunk.branches[static_cast<std::size_t>(i * chunk.points() + p)] = branches[(chunk.first + p) * size + i];
    chunk.workspace->set_branches(chunk.branches.data());
  }
}

void Evaluation::branches(Branch* branches) {
  const Function::Implementation& self = *function_->implementation_;
  const Index size = self.layout.branch_size();
  for (Chunk& chunk : chunks_) {
    evaluate(chunk);
    Workspace& workspace = *chunk.workspace;
    for (const NodeId id : self.layout.kinked()) {
      const Operator& op = *self.graph.node(id).op;
      std::vector<Branch> block(static_cast<std::size_t>(op.branch_size() * chunk.points()));
      op.branches(workspace.input_values(id), block.data(), chunk.points(), workspace.scratch());
      for (Index i = 0; i < op.branch_size(); ++i)
        for (Index p = 0; p < chunk.points(); ++p)
          branches[(chunk.first + p) * size + self.layout.branch_offset(id) + i] =
              block[static_cast<std::size_t>(i * chunk.points() + p)];
    }
  }
}

void Evaluation::walls(Index point, const VisitWall& visit) {
  const Function::Implementation& self = *function_->implementation_;
  Chunk& chunk = chunk_of(point);
  evaluate(chunk);
  const Index p = point - chunk.first;
  for (const NodeId id : self.layout.kinked()) {
    const Node& node = self.graph.node(id);
    const Branch* branches = chunk.workspace->branches(id);
    for (Index i = 0; i < node.op->branch_size(); ++i) {
      walls_of_unit_.clear();
      node.op->walls(i, branches[i * chunk.points() + p], walls_of_unit_);
      for (const Wall& wall : walls_of_unit_) {
        const double number = argument(*chunk.workspace, node, wall, p);
        if (!std::isinf(number)) visit(self.layout.branch_offset(id) + i, wall.to, number);
      }
    }
  }
}

Evaluation::Chunk& Evaluation::chunk_of(Index point) {
  const auto after = std::upper_bound(chunks_.begin(), chunks_.end(), point,
                                      [](Index number, const Chunk& chunk) { return number < chunk.first; });
  return *(after - 1);
}

double Evaluation::wall_argument(const CellWall& wall) {
  Chunk& chunk = chunk_of(wall.point);
  evaluate(chunk);
  const Node& node = *function_->kinked_unit(wall.unit).node;
  return argument(*chunk.workspace, node, wall.wall, wall.point - chunk.first);
}

/// The argument of a wall is a number of an input, or the difference of two.
void Evaluation::append_seeds(const Chunk& chunk, const CellWall& wall, Index column, double weight,
                              std::vector<WallSeed>& seeds) const {
  const Function::Implementation& self = *function_->implementation_;
  const Node& node = *function_->kinked_unit(wall.unit).node;
  const Wall& known = wall.wall;
  const auto add = [&](int input, Index number, double factor) {
    const NodeId source = node.inputs[static_cast<std::size_t>(input)];
    const Index row = number * chunk.points() + wall.point - chunk.first;
    if (self.graph.depends(source)) seeds.push_back({source, row, column, factor});
  };
  add(known.input, known.unit, known.sign * weight);
  if (known.other_input >= 0) add(known.other_input, known.other_unit, -known.sign * weight);
}

void Evaluation::wall_gradients(std::span<const CellWall> walls, double* gradients) {
  for (Chunk& chunk : chunks_) chunk_wall_gradients(chunk, walls, gradients);
}

/// Of the walls at the chunk's points. Walls of different points share a column.
void Evaluation::chunk_wall_gradients(Chunk& chunk, std::span<const CellWall> walls, double* gradients) {
  const Function::Implementation& self = *function_->implementation_;
  const Index n = self.n(), points = chunk.points();
  columns_.assign(walls.size(), -1);
  used_columns_.assign(static_cast<std::size_t>(points), 0);
  for (std::size_t k = 0; k < walls.size(); ++k)
    if (const Index p = walls[k].point - chunk.first; p >= 0 && p < points)
      columns_[k] = used_columns_[static_cast<std::size_t>(p)]++;
  const Index n_columns = *std::max_element(used_columns_.begin(), used_columns_.end());
  if (n_columns == 0) return;
  linearize(chunk);
  Workspace& workspace = *chunk.workspace;
  for (Index begin = 0; begin < n_columns; begin += most_columns) {
    const Index width = std::min(most_columns, n_columns - begin);
    const auto is_here = [&](std::size_t k) { return columns_[k] >= begin && columns_[k] < begin + width; };
    seeds_.clear();
    for (std::size_t k = 0; k < walls.size(); ++k)
      if (is_here(k)) append_seeds(chunk, walls[k], columns_[k] - begin, 1.0, seeds_);
    const auto run = [&] { run_wall_adjoints(self.graph, self.layout, workspace, seeds_, width); };
    run();
    Function::Implementation::again_if_singular(workspace, workspace.adjoint(0), n * points * width, run);
    const double* block = workspace.adjoint(0);  // (n, points, width)
    for (std::size_t k = 0; k < walls.size(); ++k) {
      if (!is_here(k)) continue;
      double* to = gradients + static_cast<Index>(k) * n;
      for (Index j = 0; j < n; ++j) to[j] = block[(j * points + walls[k].point - chunk.first) * width + columns_[k] - begin];
    }
  }
}

void Evaluation::set_wall_weights(std::span<const CellWall> walls, const double* weights) {
  for (Chunk& chunk : chunks_) chunk.wall_seeds.clear();
  for (std::size_t w = 0; w < walls.size(); ++w) {
    Chunk& chunk = chunk_of(walls[w].point);
    if (weights[w] != 0) append_seeds(chunk, walls[w], 0, weights[w], chunk.wall_seeds);
  }
}

bool Evaluation::has_wall_weights(Index point) const {
  const auto after = std::upper_bound(chunks_.begin(), chunks_.end(), point,
                                      [](Index number, const Chunk& chunk) { return number < chunk.first; });
  const Chunk& chunk = *(after - 1);
  return std::any_of(chunk.wall_seeds.begin(), chunk.wall_seeds.end(),
                     [&](const WallSeed& seed) { return seed.row % chunk.points() == point - chunk.first; });
}

}  // namespace fastexpr
