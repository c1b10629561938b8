// Hardmax: v_m = 1 for the first largest number of a lane over the dimensions [axis, axis + n_axes) together, else 0.
//   The derivative is zero, also at the jumps.

#include "operators/grouped.hpp"
#include "operators/interval.hpp"
#include "operators/piecewise_constant.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Hardmax final : public PiecewiseConstant<Grouped> {
 public:
  explicit Hardmax(const OperatorSpec& spec) : PiecewiseConstant(spec, checked_shape(spec)) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    rows::fill_zero(output, size() * points);
    for (Index lane = 0; members() > 0 && lane < n_lanes(); ++lane)
      for (Index p = 0; p < points; ++p) {
        Index largest = row(lane, 0, points) + p;
        for (Index m = 1; m < members(); ++m)
          if (inputs[0][row(lane, m, points) + p] > inputs[0][largest]) largest = row(lane, m, points) + p;
        output[largest] = 1.0;
      }
  }

  void influence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      const DependenceSets::Id joined = lane_dependence(sets, inputs[0], lane);
      for (Index m = 0; m < members(); ++m) output[row(lane, m, 1)] = joined;
    }
  }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      const Index first = first_of(lane), stride = groups().inner;
      const bool is_nan = interval::is_any_nan(inputs[0] + first, members(), stride);
      for (Index m = 0; m < members(); ++m)
        output[first + m * stride] = is_nan ? interval::may_be_nan : Interval{members() == 1 ? 1.0 : 0.0, 1.0};
    }
  }

 private:
  Index row(Index lane, Index m, Index points) const { return (first_of(lane) + m * groups().inner) * points; }

  static Shape checked_shape(const OperatorSpec& spec) {
    checked_groups(spec);
    return spec.input_shapes[0];
  }
};

const Registered<Hardmax> hardmax("Hardmax");

}  // namespace

}  // namespace fastexpr
