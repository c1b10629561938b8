// Reshape: the same numbers in the same order under another shape.
//   attributes: shape, literal (no -1, no 0 that means "copy"), of as many numbers as the input
// Every number is shared with the input; the passes do no work for it.

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Reshape : public Operator {
 public:
  explicit Reshape(const OperatorSpec& spec) : Operator(spec, checked_shape(spec)) {}

  bool is_view() const override { return true; }

  OperatorSpec batched(Index length, const std::vector<bool>&) const override {
    OperatorSpec all = spec();
    Shape output = shape();
    output.insert(output.begin(), length);
    all.input_shapes[0].insert(all.input_shapes[0].begin(), length);
    all.attributes.set("shape", output);
    return all;
  }

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    rows::copy(inputs[0], output, size() * points);
  }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    const Index count = size() * at.points * columns;
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, count);
    rows::copy(tangents[0], output_tangent, count);
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] != nullptr) rows::add(output_adjoint, adjoints[0], size() * at.points * columns);
  }

  bool is_affine(const std::vector<bool>&) const override { return true; }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    std::copy(inputs[0], inputs[0] + size(), output);
  }

  void dependence(DependenceSets&, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    std::copy(inputs[0], inputs[0] + size(), output);
  }

 private:
  static Shape checked_shape(const OperatorSpec& spec) {
    expect_inputs(spec, 1);
    Shape shape = spec.attributes.integers("shape");
    if (size_of(shape) != size_of(spec.input_shapes[0]))
      refuse("the new shape holds another number of elements: got " + to_string(shape) + " for an input of shape " +
             to_string(spec.input_shapes[0]) + ", expected " + std::to_string(size_of(spec.input_shapes[0])) +
             " elements. Give a literal shape without -1.");
    return shape;
  }
};

const Registered<Reshape> reshape("Reshape");

}  // namespace

}  // namespace fastexpr
