#pragma once

#include <memory>
#include <vector>

#include "function/function.hpp"

namespace fastexpr {

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

 private:
  struct Chunk;

  template <class Body>
  void for_chunks(const Body& body);
  void evaluate(Chunk& chunk) const;
  void linearize(Chunk& chunk) const;
  void find_tangents(Chunk& chunk) const;
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
};

}  // namespace fastexpr
