// v = T, a constant of any shape. Evaluated once when a workspace is made, because it does not depend on x.

#include "graph/errors.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Constant final : public Operator {
 public:
  explicit Constant(const OperatorSpec& spec) : Operator(spec, checked_shape(spec)) {}

  void value(const double* const*, double* output, Index points, double*) const override {
    const Tensor& tensor = spec().constants[0];
    for (Index i = 0; i < size(); ++i)
      for (Index p = 0; p < points; ++p) output[i * points + p] = tensor.at(i);
  }

  void tangent(const Point& at, const double* const*, double* output_tangent, Index columns) const override {
    for (Index i = 0; i < size() * at.points * columns; ++i) output_tangent[i] = 0;
  }

  void adjoint(const Point&, const double*, double* const*, Index) const override {}

  void bounds(const Interval* const*, Interval* output) const override {
    for (Index i = 0; i < size(); ++i) output[i] = {spec().constants[0].at(i), spec().constants[0].at(i)};
  }

 private:
  static const Shape& checked_shape(const OperatorSpec& spec) {
    expect_inputs(spec, 0);
    if (spec.constants.size() != 1) refuse("one constant is needed, got " + std::to_string(spec.constants.size()));
    return spec.constants[0].shape;
  }
};

const Registered<Constant> constant("Constant");

}  // namespace

}  // namespace fastexpr
