// ReduceMax: v = max of u over the dimensions [axis, axis + n_axes).
//   u (outer, members, inner) -> v (outer, inner);  attributes: axis, n_axes, keepdims (1: the reduced dimensions stay, as 1)
// Where several members share the maximum, the derivative is that of the first: one element of the subdifferential. No
// curvature. NaN stays NaN.

#include <algorithm>

#include "graph/rows.hpp"
#include "operators/grouped.hpp"
#include "operators/interval.hpp"
#include "operators/operators.hpp"

namespace fastexpr {

namespace {

class ReduceMax : public Grouped {
 public:
  explicit ReduceMax(const OperatorSpec& spec) : Grouped(spec, reduced_shape(spec)) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    const double* from = inputs[0];
    const Index length = groups().inner * points;
    for (Index o = 0; o < groups().outer; ++o, output += length) {
      rows::copy(from, output, length);
      from += length;
      for (Index m = 1; m < members(); ++m, from += length)
        for (Index j = 0; j < length; ++j) output[j] = is_above(from[j], output[j]) ? from[j] : output[j];
    }
  }

  Index local_size(int) const override { return n_lanes(); }

  /// The member that is the maximum, as a double.
  void linearize(const Point& at, int, double* local) const override {
    const double* from = at.inputs[0];
    const Index length = groups().inner * at.points;
    for (Index o = 0; o < groups().outer; ++o, local += length, from += members() * length)
      for (Index j = 0; j < length; ++j) {
        Index best = 0;
        for (Index m = 1; m < members(); ++m)
          if (is_above(from[m * length + j], from[best * length + j])) best = m;
        local[j] = static_cast<double>(best);
      }
  }

  bool heeds_annihilation() const override { return true; }  // numbers are copied and added up only

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
    for_each_maximum(
        at, [&](Index from, Index to) { rows::copy(tangents[0] + from * columns, output_tangent + to * columns, columns); });
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] == nullptr) return;
    for_each_maximum(
        at, [&](Index from, Index to) { rows::add(output_adjoint + to * columns, adjoints[0] + from * columns, columns); });
  }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      const Interval* first = inputs[0] + first_of(lane);
      Interval largest = *first;
      for (Index m = 1; m < members(); ++m) {
        const Interval u = first[m * groups().inner];
        largest = {std::max(largest.lower, u.lower), std::max(largest.upper, u.upper)};
      }
      output[lane] = interval::is_any_nan(first, members(), groups().inner) ? interval::may_be_nan : largest;
    }
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) output[lane] = lane_dependence(sets, inputs[0], lane);
  }

 private:
  static bool is_above(double number, double other) { return number > other || number != number; }

  /// body(row of the input block, row of the output block): a row is one unit at one point.
  template <class Body>
  void for_each_maximum(const Point& at, Body body) const {
    const Index length = groups().inner * at.points;
    for (Index o = 0; o < groups().outer; ++o)
      for (Index j = 0; j < length; ++j) {
        const Index to = o * length + j;
        body((o * members() + static_cast<Index>(at.local[to])) * length + j, to);
      }
  }
};

}  // namespace

OperatorPointer make_reduce_max(OperatorSpec spec) { return std::make_shared<ReduceMax>(spec); }

}  // namespace fastexpr
