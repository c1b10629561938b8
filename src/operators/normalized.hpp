#pragma once

#include <algorithm>

#include "operators/grouped.hpp"

namespace fastexpr {

/// What Softmax and LogSoftmax share. With p the softmax of a lane, the derivatives of both are made of
///   p_m (T_m - p'T) = p_m ((T_m - T_k) - sum_j p_j (T_j - T_k))
/// for any k. With k the largest p the right side keeps its digits where the lane is saturated (p_k = 1 - 1e-9), the left
/// side does not.
class Normalized : public Grouped {
 public:
  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override;
  void couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const override;
  bool is_curved(const std::vector<bool>& depends) const override { return depends[0]; }
  std::vector<Link> links() const override;
  void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
             Index points) const override;

 protected:
  /// One lane at one point: unit m is row `first + m * stride` of a block, and starts at that times the block's columns.
  struct Lane {
    Index first;
    Index stride;
    Index members;
    Index row(Index m) const { return first + m * stride; }
    /// Whether its numbers stand together in a block of so many columns.
    bool is_together(Index columns) const { return stride == 1 && columns == 1; }
  };

  /// Whether the output is the logarithm of softmax.
  virtual bool is_logarithm() const = 0;

  explicit Normalized(const OperatorSpec& spec) : Grouped(spec, checked_shape(spec)) {}

  template <class Body>
  void for_each_lane(Index points, Body body) const {
    if (members() == 0) return;  // such a lane has no largest member
    for (Index lane = 0; lane < n_lanes(); ++lane)
      for (Index p = 0; p < points; ++p) body(Lane{first_of(lane) * points + p, groups().inner * points, members()});
  }

  /// shifted = u - max of its lane.
  void subtract_maximum(const double* u, double* shifted, Index points) const;

  /// out_m = factor_m (T_m - p'T), or += where `accumulate`. Blocks (size, points, columns); a null factor is 1. T is finite;
  /// what belongs to a lane whose p is NaN is NaN, but for columns that are 0 where at.annihilates.
  void center(const Point& at, const double* p, const double* factor, const double* T, double* out, Index columns,
              bool accumulate) const;

  /// The same of one lane whose numbers stand together.
  static void center_lane(const Lane& lane, const double* p, const double* factor, const double* T, double* out, bool accumulate);

  /// Whether all members of a lane are 0 in this column.
  static bool is_zero(const Lane& lane, const double* T, Index columns, Index column);

  /// The member with the largest number.
  static Index largest(const Lane& lane, const double* numbers);

  /// Columns that are worked on together: their sums stand on the stack.
  static constexpr Index chunk = 64;

  /// sums[c] = sum_m weights_m (T_m - T_k) for the columns begin + c, c < width; k is the largest of the lane.
  static void relative_sums(const Lane& lane, Index k, const double* weights, const double* T, Index columns, Index begin,
                            Index width, double* sums);

  /// Bounds of log softmax; those of softmax are their exponentials.
  void log_bounds(const Interval* input, Interval* output) const;

 private:
  static Shape checked_shape(const OperatorSpec& spec);
};

}  // namespace fastexpr
