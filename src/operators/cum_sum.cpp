// CumSum: v_i = u_0 + ... + u_i along the dimensions [axis, axis + n_axes) together.
//   attributes: axis, n_axes; exclusive (1: u_i itself is left out); reverse (1: from the other end)

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "operators/grouped.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class CumSum final : public Grouped {
 public:
  explicit CumSum(const OperatorSpec& spec)
      : Grouped(spec, checked_shape(spec)),
        is_exclusive_(checked_flag(spec, "exclusive")),
        is_reverse_(checked_flag(spec, "reverse")) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    accumulate(inputs[0], output, points);
  }

  bool heeds_annihilation() const override { return true; }  // numbers are copied and added up only

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
    accumulate(tangents[0], output_tangent, at.points * columns);
  }

  // u_i enters v_i and all that follow: the sum runs the other way.
  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] == nullptr) return;
    const Index width = groups().inner * at.points * columns;
    for (Index o = 0; o < groups().outer; ++o)
      for (Index j = 0; j < width; ++j) {
        double sum = 0.0;
        for (Index k = members(); k-- > 0;) {
          const Index unit = (o * members() + member(k)) * width + j;
          const double after = sum;
          sum += output_adjoint[unit];
          adjoints[0][unit] += is_exclusive_ ? after : sum;
        }
      }
  }

  bool is_affine(const std::vector<bool>&) const override { return true; }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for_each_unit([&](Index unit, Index previous) {
      if (is_exclusive_)
        output[unit] = previous < 0 ? Interval{0, 0} : interval::add(output[previous], inputs[0][previous]);
      else
        output[unit] = previous < 0 ? inputs[0][unit] : interval::add(output[previous], inputs[0][unit]);
    });
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for_each_unit([&](Index unit, Index previous) {
      const DependenceSets::Id before = previous < 0 ? DependenceSets::empty : output[previous];
      const Index added = is_exclusive_ ? previous : unit;
      output[unit] = added < 0 ? DependenceSets::empty : sets.unite(before, inputs[0][added]);
    });
  }

 private:
  /// The k-th member in the direction of the sum.
  Index member(Index k) const { return is_reverse_ ? members() - 1 - k : k; }

  /// body(unit, the unit before it or -1).
  template <class Body>
  void for_each_unit(Body body) const {
    for (Index lane = 0; lane < n_lanes(); ++lane)
      for (Index k = 0; k < members(); ++k)
        body(first_of(lane) + member(k) * groups().inner, k == 0 ? -1 : first_of(lane) + member(k - 1) * groups().inner);
  }

  void accumulate(const double* from, double* to, Index width) const {
    const Index length = groups().inner * width;
    for (Index o = 0; o < groups().outer; ++o)
      for (Index k = 0; k < members(); ++k) {
        const Index row = (o * members() + member(k)) * length;
        const Index previous = k > 0 ? (o * members() + member(k - 1)) * length : -1;
        if (previous < 0)
          rows::fill_zero(to + row, length);
        else
          rows::copy(to + previous, to + row, length);
        const Index added = is_exclusive_ ? previous : row;
        if (added >= 0) rows::add(from + added, to + row, length);
      }
  }

  static bool checked_flag(const OperatorSpec& spec, const std::string& name) {
    const Index flag = spec.attributes.integer(name);
    if (flag != 0 && flag != 1) refuse(name + ": got " + std::to_string(flag) + ", expected 0 or 1.");
    return flag == 1;
  }

  static Shape checked_shape(const OperatorSpec& spec) {
    expect_inputs(spec, 1);
    return spec.input_shapes[0];
  }

  bool is_exclusive_;
  bool is_reverse_;
};

const Registered<CumSum> cum_sum("CumSum");

}  // namespace

}  // namespace fastexpr
