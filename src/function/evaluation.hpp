#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "function/function.hpp"
#include "passes/workspace.hpp"

namespace fastexpr {

/// A wall of the cell that frozen branches make: of a kinked unit at one of the points.
struct CellWall {
  Index point;
  Index unit;
  Wall wall;
};

/// A function at a batch of points, and at another, and another, as a solver asks: what value, Jacobian and Hessian have in
/// common is computed once at each. For one thread at a time; a function may have any number of these.
class Evaluation {
 public:
  /// order: the highest derivative that will be asked for. With is_sparse, derivatives are the entries of the patterns.
  Evaluation(std::shared_ptr<const Function> function, Index points, int order, bool has_sparse_jacobian,
             bool has_sparse_hessian);
  ~Evaluation();
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  /// x (points, n). What is known stays where the points are those of before.
  void move_to(const double* x);

  void value(double* value);                             // (points, m)
  void jacobian(double* jacobian);                       // (points, m, n), or (points, entries)
  void hessian(const double* weights, double* hessian);  // weights (points, m) -> (points, n, n), or (points, entries)

  /// From here on the kinked units are on these branches (points, branch_size), wherever x is; null: on those of x. Weights of
  /// walls are gone.
  void freeze(const Branch* branches);
  /// The branches (points, branch_size) that the points are on, by the values at hand.
  void branches(Branch* branches);
  /// visit(unit, to, argument) for every wall of the frozen cell at a point; infinitely far ones are left out.
  using VisitWall = std::function<void(Index, Branch, double)>;
  void walls(Index point, const VisitWall& visit);
  double wall_argument(const CellWall& wall);
  /// The gradients (walls, n) of arguments of walls; of order 1 at least.
  void wall_gradients(std::span<const CellWall> walls, double* gradients);
  /// From here on Hessians have the second derivatives of these arguments, times these weights.
  void set_wall_weights(std::span<const CellWall> walls, const double* weights);
  bool has_wall_weights(Index point) const;

 private:
  struct Chunk;

  template <class Body>
  void for_chunks(const Body& body);
  void evaluate(Chunk& chunk) const;
  void linearize(Chunk& chunk) const;
  void find_tangents(Chunk& chunk) const;
  Chunk& chunk_of(Index point);
  void append_seeds(const Chunk& chunk, const CellWall& wall, Index column, double weight, std::vector<WallSeed>& seeds) const;
  void chunk_wall_gradients(Chunk& chunk, std::span<const CellWall> walls, double* gradients);
  void chunk_jacobian(Chunk& chunk, double* jacobian) const;
  void chunk_hessian(Chunk& chunk, const double* weights, double* hessian) const;

  std::shared_ptr<const Function> function_;
  Index points_;
  int order_;
  bool has_sparse_jacobian_, has_sparse_hessian_;
  bool keeps_tangents_ = false;
  std::vector<double> x_;
  bool has_point_ = false;
  std::vector<Chunk> chunks_;
  // Scratch of what concerns walls.
  std::vector<Wall> walls_of_unit_;
  std::vector<WallSeed> seeds_;
  std::vector<Index> columns_, used_columns_;
};

}  // namespace fastexpr
