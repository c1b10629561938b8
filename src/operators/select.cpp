// Select: v.flat[i] = u.flat[indices[i]]. Slice, Gather with constant indices, Transpose, Expand are all this.
//   attributes: shape, of the output;  constants: indices int64, flat, one per output element

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Select : public Operator {
 public:
  explicit Select(const OperatorSpec& spec)
      : Operator(spec, checked_shape(spec)), indices_(static_cast<const Index*>(this->spec().constants[0].data)) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    gather(inputs[0], output, points);
  }

  bool heeds_annihilation() const override { return true; }  // numbers are copied and added up only

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
    gather(tangents[0], output_tangent, at.points * columns);
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] == nullptr) return;
    const Index width = at.points * columns;
    if (width == 1) {
      for (Index i = 0; i < size(); ++i) adjoints[0][indices_[i]] += output_adjoint[i];
      return;
    }
    for (Index i = 0; i < size(); ++i) rows::add(output_adjoint + i * width, adjoints[0] + indices_[i] * width, width);
  }

  bool identity_tangent(const Point& at, double* output_tangent) const override {
    if (output_tangent == nullptr) return true;
    const Index columns = input_size(0);
    rows::fill_zero(output_tangent, size() * at.points * columns);
    for (Index i = 0; i < size(); ++i)
      for (Index p = 0; p < at.points; ++p) output_tangent[(i * at.points + p) * columns + indices_[i]] = 1.0;
    return true;
  }

  bool is_affine(const std::vector<bool>&) const override { return true; }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index i = 0; i < size(); ++i) output[i] = inputs[0][indices_[i]];
  }

  bool keeps_zeros() const override { return true; }

  OperatorSpec batched(Index length, const std::vector<bool>&) const override {
    OperatorSpec all = spec();
    const Index from = input_size(0);
    std::vector<Index> indices;
    for (Index point = 0; point < length; ++point)
      for (Index i = 0; i < size(); ++i) indices.push_back(point * from + indices_[i]);
    Shape output = shape();
    output.insert(output.begin(), length);
    all.input_shapes[0].insert(all.input_shapes[0].begin(), length);
    all.attributes.set("shape", output);
    all.constants = {make_tensor({size_of(output)}, std::move(indices))};
    return all;
  }

  void dependence(DependenceSets&, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index i = 0; i < size(); ++i) output[i] = inputs[0][indices_[i]];
  }

 private:
  void gather(const double* from, double* to, Index width) const {
    if (width == 1) {
      for (Index i = 0; i < size(); ++i) to[i] = from[indices_[i]];
    } else {
      for (Index i = 0; i < size(); ++i) rows::copy(from + indices_[i] * width, to + i * width, width);
    }
  }

  static Shape checked_shape(const OperatorSpec& spec) {
    expect_inputs(spec, 1);
    if (spec.constants.size() != 1 || spec.constants[0].precision != Precision::int64)
      refuse("got " + std::to_string(spec.constants.size()) + " constants, expected one int64 array of indices.");
    Shape shape = spec.attributes.integers("shape");
    const Tensor& indices = spec.constants[0];
    if (indices.size() != size_of(shape))
      refuse("wrong number of indices: got " + std::to_string(indices.size()) + " for an output of shape " + to_string(shape) +
             ", expected " + std::to_string(size_of(shape)) + ".");
    const Index count = size_of(spec.input_shapes[0]);
    const Index* numbers = static_cast<const Index*>(indices.data);
    for (Index i = 0; i < indices.size(); ++i)
      if (numbers[i] < 0 || numbers[i] >= count)
        refuse("an index is out of range: got " + std::to_string(numbers[i]) + " at position " + std::to_string(i) +
               ", expected 0 to " + std::to_string(count - 1) + " for an input of shape " + to_string(spec.input_shapes[0]) +
               ". Count flat positions from 0; negative ones are not wrapped.");
    return shape;
  }

  const Index* indices_;  // the constant's own numbers
};

const Registered<Select> select("Select");

}  // namespace

}  // namespace fastexpr
