// SparseLinear: v = W u along one axis, W (h, k) sparse; the other axes are carried along.
//   u (outer, k, inner) -> v (outer, h, inner);  attributes: axis
//   constants: row r of W has the numbers values[starts[r] .. starts[r + 1]) in the columns columns[..];
//   starts int64 (h + 1), columns int64 (entries), values float (entries)
// Interpolation, average pooling and other sums of a few neighbours are this. No curvature.

#include <algorithm>

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class SparseLinear final : public Operator {
 public:
  explicit SparseLinear(const OperatorSpec& spec)
      : Operator(spec, checked_shape(spec)),
        starts_(static_cast<const Index*>(this->spec().constants[0].data)),
        columns_(static_cast<const Index*>(this->spec().constants[1].data)),
        values_(this->spec().constants[2].widened()) {
    const Shape& u = spec.input_shapes[0];
    const Index axis = spec.attributes.integer("axis");
    outer_ = size_of(Shape(u.begin(), u.begin() + axis));
    k_ = u[static_cast<std::size_t>(axis)];
    h_ = shape()[static_cast<std::size_t>(axis)];
    inner_ = size_of(Shape(u.begin() + axis + 1, u.end()));
  }

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    multiply(inputs[0], output, inner_ * points);
  }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
    multiply(tangents[0], output_tangent, inner_ * at.points * columns);
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] == nullptr) return;
    const Index width = inner_ * at.points * columns;
    for_each_entry([&](Index to, Index from, double w) {
      rows::add_scaled(w, output_adjoint + to * width, adjoints[0] + from * width, width);
    });
  }

  bool identity_tangent(const Point& at, double* output_tangent) const override {
    if (inner_ != 1 || output_tangent == nullptr) return inner_ == 1;
    const Index columns = input_size(0);
    rows::fill_zero(output_tangent, size() * at.points * columns);
    for_each_entry([&](Index to, Index from, double w) {
      for (Index p = 0; p < at.points; ++p) output_tangent[(to * at.points + p) * columns + from] += w;
    });
    return true;
  }

  bool is_affine(const std::vector<bool>&) const override { return true; }
  Index work() const override { return outer_ * static_cast<Index>(values_.size()) * inner_; }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for_each_unit([&](Index unit, Index row, Index first) {
      interval::WeightedSum sum(0.0);
      for (Index e = starts_[row]; e < starts_[row + 1]; ++e)
        sum.add(values_[static_cast<std::size_t>(e)], inputs[0][first + columns_[e] * inner_]);
      output[unit] = sum.enclosure();
    });
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for_each_unit([&](Index unit, Index row, Index first) {
      std::vector<DependenceSets::Id> ids;
      for (Index e = starts_[row]; e < starts_[row + 1]; ++e)
        if (values_[static_cast<std::size_t>(e)] != 0) ids.push_back(inputs[0][first + columns_[e] * inner_]);
      output[unit] = sets.unite(std::move(ids));
    });
  }

 private:
  /// body(row of the output, row of the input, weight), where a row has `inner` units.
  template <class Body>
  void for_each_entry(Body body) const {
    for (Index o = 0; o < outer_; ++o)
      for (Index row = 0; row < h_; ++row)
        for (Index e = starts_[row]; e < starts_[row + 1]; ++e)
          body(o * h_ + row, o * k_ + columns_[e], values_[static_cast<std::size_t>(e)]);
  }

  /// body(unit of the output, its row of W, the input unit that column 0 belongs to).
  template <class Body>
  void for_each_unit(Body body) const {
    for (Index o = 0; o < outer_; ++o)
      for (Index row = 0; row < h_; ++row)
        for (Index i = 0; i < inner_; ++i) body((o * h_ + row) * inner_ + i, row, o * k_ * inner_ + i);
  }

  void multiply(const double* from, double* to, Index width) const {
    if (width > 1) {
      rows::fill_zero(to, outer_ * h_ * width);
      for_each_entry([&](Index i, Index j, double w) { rows::add_scaled(w, from + j * width, to + i * width, width); });
      return;
    }
    for (Index o = 0; o < outer_; ++o, from += k_)
      for (Index row = 0; row < h_; ++row) {
        double sum = 0.0;
        for (Index e = starts_[row]; e < starts_[row + 1]; ++e) sum += values_[static_cast<std::size_t>(e)] * from[columns_[e]];
        *to++ = sum;
      }
  }

  static Shape checked_shape(const OperatorSpec& spec) {
    expect_inputs(spec, 1);
    const Index axis = spec.attributes.integer("axis");
    Shape shape = spec.input_shapes[0];
    if (axis < 0 || axis >= static_cast<Index>(shape.size()))
      refuse("axis " + std::to_string(axis) + " is not one of input " + to_string(shape) + ".");
    if (spec.constants.size() != 3 || spec.constants[0].precision != Precision::int64 ||
        spec.constants[1].precision != Precision::int64 || spec.constants[2].precision == Precision::int64)
      refuse("got " + std::to_string(spec.constants.size()) +
             " constants, expected starts (int64), columns (int64) and values (floats).");
    Index& length = shape[static_cast<std::size_t>(axis)];
    check_entries(spec, length);
    length = spec.constants[0].size() - 1;
    return shape;
  }

  static void check_entries(const OperatorSpec& spec, Index length) {
    const Tensor& starts = spec.constants[0];
    const Index* start = static_cast<const Index*>(starts.data);
    const Index count = spec.constants[1].size(), last = starts.size() - 1;
    bool is_good = starts.size() > 0 && spec.constants[2].size() == count && start[0] == 0 && start[last] == count;
    for (Index i = 0; is_good && i < last; ++i) is_good = start[i] <= start[i + 1];
    if (!is_good)
      refuse("starts, columns and values do not fit together: got " + std::to_string(starts.size()) + ", " +
             std::to_string(count) + " and " + std::to_string(spec.constants[2].size()) +
             " numbers, expected starts that rise from 0 to the number of entries.");
    const Index* columns = static_cast<const Index*>(spec.constants[1].data);
    for (Index i = 0; i < count; ++i)
      if (columns[i] < 0 || columns[i] >= length)
        refuse("a column is out of range: got " + std::to_string(columns[i]) + ", expected 0 to " + std::to_string(length - 1) +
               ".");
  }

  const Index* starts_;  // the constants' own numbers
  const Index* columns_;
  std::vector<double> values_;
  Index outer_, k_, h_, inner_;
};

const Registered<SparseLinear> sparse_linear("SparseLinear");

}  // namespace

}  // namespace fastexpr
