// Where: v = c != 0 ? a : b, NumPy broadcasting of all three.
//   v_c = 0, also where c jumps    v_a = 1 where c != 0, else 0    v_b = 1 - v_a
// What is not chosen takes no part, neither in values nor in derivatives, and need not be finite.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "graph/rows.hpp"
#include "operators/broadcast.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Where final : public Operator {
 public:
  explicit Where(const OperatorSpec& spec) : Operator(spec, joint_shape(spec)) {
    for (std::size_t k = 0; k < 3; ++k) maps_[k] = UnitMap(spec.input_shapes[k], shape());
  }

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    for_each_row(inputs[0], points, [&](Index row, std::size_t k, Index from) { output[row] = inputs[k][from]; });
  }

  bool heeds_annihilation() const override { return true; }  // numbers are copied and added up only

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    for_each_row(at.inputs[0], at.points, [&](Index row, std::size_t k, Index from) {
      double* to = output_tangent + row * columns;
      if (tangents[k] == nullptr) return rows::fill_zero(to, columns);
      rows::copy(tangents[k] + from * columns, to, columns);
    });
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    for_each_row(at.inputs[0], at.points, [&](Index row, std::size_t k, Index from) {
      if (adjoints[k] != nullptr) rows::add(output_adjoint + row * columns, adjoints[k] + from * columns, columns);
    });
  }

  bool is_affine(const std::vector<bool>& depends) const override { return !depends[0]; }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index i = 0; i < size(); ++i) {
      const Interval c = inputs[0][unit_of(0, i)];
      const Interval a = inputs[1][unit_of(1, i)];
      const Interval b = inputs[2][unit_of(2, i)];
      if (interval::is_nan(c))
        output[i] = interval::may_be_nan;
      else if (!interval::contains(c, 0.0))
        output[i] = a;
      else if (c.lower == 0 && c.upper == 0)
        output[i] = b;
      else if (interval::is_nan(a) || interval::is_nan(b))
        output[i] = interval::may_be_nan;
      else
        output[i] = {std::min(a.lower, b.lower), std::max(a.upper, b.upper)};
    }
  }

  std::vector<Link> links() const override {
    std::vector<Link> links;
    for (Index i = 0; i < size(); ++i)
      for (int k = 1; k < 3; ++k) links.push_back({i, k, unit_of(static_cast<std::size_t>(k), i)});
    return links;
  }

  // What is chosen for sure is itself; else v lies between min(a, b) and max(a, b).
  void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
             Index points) const override {
    Operator::lines(inputs, output, below, above, points);
    for (Index i = 0; i < size(); ++i)
      for (Index p = 0; p < points; ++p) {
        const auto interval_of = [&](std::size_t k) {
          const Index at = unit_of(k, i) * points + p;
          return Interval{inputs[k].lower[at], inputs[k].upper[at]};
        };
        const Index at = i * points + p;
        if (!std::isfinite(output.lower[at]) || !std::isfinite(output.upper[at])) continue;
        const Interval c = interval_of(0), a = interval_of(1), b = interval_of(2);
        Plane low{1, 0, 0}, high{1, 0, 0};
        if (c.lower == 0 && c.upper == 0) {
          low = high = {0, 1, 0};
        } else if (interval::contains(c, 0.0)) {
          const Interval minus_a = interval::negative(a), minus_b = interval::negative(b);
          low = largest_above(minus_a, minus_b), high = largest_above(a, b);
          const double reach = std::max({std::abs(a.lower), std::abs(a.upper), std::abs(b.lower), std::abs(b.upper)});
          const double margin = 64 * std::numeric_limits<double>::epsilon() * reach;
          low.offset = -low.offset - margin, high.offset += margin;
        }
        const Index first = 2 * i * points + p;
        below.slopes[first] = low.a, below.slopes[first + points] = low.b, below.offsets[at] = low.offset;
        above.slopes[first] = high.a, above.slopes[first + points] = high.b, above.offsets[at] = high.offset;
      }
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index i = 0; i < size(); ++i) output[i] = sets.unite(inputs[1][unit_of(1, i)], inputs[2][unit_of(2, i)]);
  }

  void influence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    dependence(sets, inputs, output);
    for (Index i = 0; i < size(); ++i) output[i] = sets.unite(output[i], inputs[0][unit_of(0, i)]);
  }

  OperatorSpec batched(Index length, const std::vector<bool>& is_batched) const override {
    return batched_by_broadcasting(*this, length, is_batched);
  }

  bool takes_infinities() const override { return true; }

 private:
  Index unit_of(std::size_t k, Index i) const { return maps_[k](i); }

  /// body(row of the output, the input that is chosen there, its row), for all units and points.
  template <class Body>
  void for_each_row(const double* condition, Index points, Body body) const {
    for (Index i = 0; i < size(); ++i)
      for (Index p = 0; p < points; ++p) {
        const std::size_t k = condition[unit_of(0, i) * points + p] != 0 ? 1 : 2;
        body(i * points + p, k, unit_of(k, i) * points + p);
      }
  }

  static Shape joint_shape(const OperatorSpec& spec) {
    expect_inputs(spec, 3);
    return broadcast(broadcast(spec.input_shapes[0], spec.input_shapes[1]), spec.input_shapes[2]);
  }

  UnitMap maps_[3];
};

const Registered<Where> where("Where");

}  // namespace

}  // namespace fastexpr
