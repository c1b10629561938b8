#pragma once

#include <chrono>
#include <limits>
#include <memory>
#include <queue>
#include <vector>

#include "function/box_bounds.hpp"
#include "function/function.hpp"

namespace fastexpr {

/// What is minimised: output 0 of the function, over a box, where its other outputs are at most `limits` and the rows at most
/// `row_limits`.
struct SearchProblem {
  std::shared_ptr<const Function> function;
  std::vector<double> lower, upper;       // (n)
  std::vector<double> limits;             // (m - 1)
  std::vector<double> rows, row_limits;   // (rows, n), (rows)
  std::vector<bool> is_integer;           // (n)
  std::vector<std::vector<double>> cuts;  // (n): where steps jump, ascending: split there first, for x <= cut and x > cut
  double tolerance = 1e-6;                // of the objective, relative to max(1, |objective|)
  double feasibility = 1e-6;              // of limits, relative to max(1, |limit|)
  double target = -std::numeric_limits<double>::infinity();  // finite: whether the minimum is at least that is all one wants
};

/// Branch and bound over boxes: the boxes with the least bounds are taken, some at a time, and split in two; linear bounds of the
/// halves are found together. What a box's lines say about limits, rows and the best objective cuts its sides.
///
/// Points are vectors of doubles: a split at a jump leaves nothing out between two neighbouring doubles.
/// The same boxes are taken in the same order, however many threads there are.
class BoxSearch {
 public:
  explicit BoxSearch(SearchProblem problem);

  /// Points (points, n) that may be better than the best one; integers are rounded, others are moved into the box.
  void offer(Index points, const double* x);

  /// Goes on until nothing is left, or so many boxes were bounded in all, or the time has come. What an interruption throws
  /// leaves a search that can go on.
  void run(Index most_boxes, std::chrono::steady_clock::time_point deadline);

  bool is_done() const;
  bool has_point() const { return !best_.empty(); }
  const std::vector<double>& best() const { return best_; }
  double objective() const { return objective_; }  // infinite without a point
  /// No feasible point has a lower objective.
  double bound() const;
  Index n_boxes() const { return n_boxes_; }
  Index n_open() const { return static_cast<Index>(open_.size()); }
  /// Sides of the open box with the least bound; empty where none is open.
  std::vector<double> least_box() const;

 private:
  struct Open {
    double bound;
    std::int64_t number;  // ties are broken by age
    std::size_t slot;
    bool operator<(const Open& other) const { return bound != other.bound ? bound > other.bound : number > other.number; }
  };
  /// One box while it is bounded.
  struct Work {
    double* lower;
    double* upper;
    double bound;
    Index split;  // which side next, or none
    bool is_empty;
  };
  /// c . (x - center) + offset of one output below it, over one box.
  struct Form {
    double offset;
    std::vector<double> c;
  };

  void take();
  void split();
  void bound_halves();
  void bound_one(LinearBounds& known, LinearBounds::Below below, NodeId output, Index p, Work& work);
  void collect();
  void discard(double bound) { discarded_ = bound < discarded_ ? bound : discarded_; }
  double cutoff() const;
  bool tighten(const std::vector<double>& c, double offset, const double* center, double limit, Work& work) const;
  double lagrangian(std::vector<Form>& forms, const std::vector<double>& limits, const double* center, const Work& work) const;
  double size_of(const Work& work) const;
  Index side_to_split(const std::vector<double>& weights, const Work& work) const;
  bool can_split(Index j, const Work& work) const;
  double split_point(Index j, double low, double high) const;
  bool is_feasible(const double* x, const double* values) const;
  void consider(const double* x, const double* values);
  std::size_t free_slot();
  double* slot(std::size_t number) { return boxes_.data() + static_cast<std::ptrdiff_t>(number) * 2 * n_; }

  SearchProblem problem_;
  Index n_, m_;
  const Graph& graph_;
  std::unique_ptr<LinearBoundsPool> pool_;
  std::priority_queue<Open> open_;
  std::vector<double> boxes_;  // by slot: lower (n), upper (n)
  std::vector<Index> splits_;  // by slot: which side next
  std::vector<std::size_t> free_;
  std::vector<Open> taken_;
  std::vector<double> halves_lower_, halves_upper_, candidates_, values_;
  std::vector<Work> work_;
  std::vector<double> scales_;  // of the sides: those of the whole box
  std::vector<double> best_;
  double objective_;
  double discarded_;
  std::int64_t n_pushed_ = 0;
  Index n_boxes_ = 0;
  bool has_steps_ = false;
};

}  // namespace fastexpr
