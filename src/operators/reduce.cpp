// ReduceSum: v = sum of u over the dimensions [axis, axis + n_axes); ReduceMean: that divided by their number of elements.
//   u (outer, members, inner) -> v (outer, inner);  attributes: axis, n_axes, keepdims (1: the reduced dimensions stay, as 1)

#include "graph/rows.hpp"
#include "operators/grouped.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Reduce : public Grouped {
 public:
  Reduce(const OperatorSpec& spec, bool is_mean)
      : Grouped(spec, reduced_shape(spec)), factor_(is_mean ? 1.0 / static_cast<double>(members()) : 1.0) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    reduce(inputs[0], output, points);
  }

  bool heeds_annihilation() const override { return true; }  // numbers are added up, and their sum is scaled

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
    reduce(tangents[0], output_tangent, at.points * columns);
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] == nullptr) return;
    const Index length = groups().inner * at.points * columns;
    if (length == 1) {
      for (Index o = 0; o < groups().outer; ++o)
        for (Index m = 0; m < members(); ++m) adjoints[0][o * members() + m] += factor_ * output_adjoint[o];
      return;
    }
    for (Index o = 0; o < groups().outer; ++o)
      for (Index m = 0; m < members(); ++m)
        rows::add_scaled(factor_, output_adjoint + o * length, adjoints[0] + (o * members() + m) * length, length);
  }

  bool is_affine(const std::vector<bool>&) const override { return true; }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      Interval sum{0, 0};
      const Interval* first = inputs[0] + first_of(lane);
      for (Index m = 0; m < members(); ++m) sum = interval::add(sum, first[m * groups().inner]);
      output[lane] = factor_ == 1.0 ? sum : interval::widened({sum.lower * factor_, sum.upper * factor_}, 2);
    }
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) output[lane] = lane_dependence(sets, inputs[0], lane);
  }

 private:
  void reduce(const double* from, double* to, Index width) const {
    const Index length = groups().inner * width;
    if (length == 1) {
      for (Index o = 0; o < groups().outer; ++o, from += members())
        to[o] = factor_ * rows::total(members(), [from](Index m) { return from[m]; });
      return;
    }
    for (Index o = 0; o < groups().outer; ++o, to += length) {
      rows::fill_zero(to, length);
      for (Index m = 0; m < members(); ++m, from += length) rows::add(from, to, length);
      if (factor_ != 1.0) rows::scale(factor_, to, to, length);
    }
  }

  double factor_;
};

const Registered<Reduce> reduce_sum("ReduceSum", false);
const Registered<Reduce> reduce_mean("ReduceMean", true);

}  // namespace

}  // namespace fastexpr
