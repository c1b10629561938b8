#pragma once

#include <vector>

#include "operators/grouped.hpp"

namespace fastexpr {

/// LayerNormalization and RMSNormalization: see layer_normalization.cpp.
class Normalization final : public Grouped {
 public:
  Normalization(const OperatorSpec& spec, bool is_centred);

  void value(const double* const* inputs, double* output, Index points, double* scratch) const override;
  Index local_size(int) const override { return size() + n_lanes(); }
  Index scratch_size() const override { return size() + n_lanes(); }
  void linearize(const Point& at, int order, double* local) const override;
  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override;
  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override;
  bool first_adjoint(const Point& at, const double* output_adjoint, double* adjoint, Index columns) const override;
  bool is_curved(const std::vector<bool>& depends) const override { return depends[0]; }
  void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                 Index columns) const override;
  void bounds(const Interval* const* inputs, Interval* output) const override;
  std::vector<Link> links() const override;
  void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
             Index points) const override;
  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override;
  void couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const override;
  Index work() const override { return 4 * size(); }

 private:
  /// Some neighbouring numbers of all rows of one lane or of several. Those of member m are first + m * stride and on; their
  /// coefficients (z) unit + m * unit_stride and their lanes `lane` and on, one for each number or one for all.
  struct Strip {
    Index first, stride, width;
    Index unit, unit_stride, lane;
    bool is_each;

    bool is_whole_lane() const { return stride == 1; }
    Index row(Index m) const { return first + m * stride; }
    Index lane_of(Index j) const { return lane + (is_each ? j : 0); }
    Strip number(Index j) const;
  };
  static constexpr Index chunk = 64;  // numbers of a strip: their sums stand on the stack

  template <class Body>
  void for_each_strip(Index points, Index columns, Body body) const;
  /// body(strip) where derivatives are finite, else singular(strip of one number).
  template <class Body, class Singular>
  void for_each_strip_at(const Point& at, Index columns, Body body, Singular singular) const;
  /// body(number, its coefficient, member, j) over a strip.
  template <class Body>
  void for_each_number(const Strip& strip, Body body) const;
  /// sums[j] = sum over the members of term(number, its coefficient, member, j), divided by their number.
  template <class Term>
  void average(const Strip& strip, double* sums, Term term) const;
  /// Calls body(number, its coefficient, member, j, dz) with dz = (P T - z m) / D; `source(number, member)` is T.
  template <class Source, class Body>
  void project(const Point& at, const Strip& strip, Source source, Body body) const;
  template <bool is_added>
  void pull_back(const Point& at, const double* output_adjoint, double* adjoint, Index columns) const;
  bool is_zero(const Strip& strip, const double* numbers) const;

  /// z and 1 / D of a strip.
  void normalize(const Strip& strip, const double* u, double* z, double* inverse) const;
  /// The same of one lane at one point, from u - mean in z, where squares overflow or underflow.
  void normalize_scaled(const Strip& strip, double* z, double* inverse) const;

  /// u - mean, and the variance, of a lane with units in these intervals.
  struct Spread {
    std::vector<Interval> deviations;
    Interval variance;
    bool may_vanish;  // D = 0 somewhere
  };
  Spread spread_of(const std::vector<Interval>& lane) const;
  /// The largest z of a member whose deviation is at most this.
  double largest(double deviation, const Spread& spread) const;

  bool is_centred_;
  double epsilon_;
  std::vector<double> scale_, bias_;  // by member
};

}  // namespace fastexpr
