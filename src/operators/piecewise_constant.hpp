#pragma once

#include <algorithm>

#include "graph/operator.hpp"
#include "graph/rows.hpp"
#include "operators/interval.hpp"

namespace fastexpr {

/// What operators with a derivative of zero share, whatever their values are: steps, comparisons. At a jump, too, the
/// derivative is zero. Their units depend on nothing, as far as derivatives are concerned.
template <class Base>
class PiecewiseConstant : public Base {
 public:
  using Base::Base;

  bool heeds_annihilation() const final { return true; }

  void tangent(const Point& at, const double* const*, double* output_tangent, Index columns) const final {
    rows::fill_zero(output_tangent, this->size() * at.points * columns);
  }

  void adjoint(const Point&, const double*, double* const*, Index) const final {}

  bool is_affine(const std::vector<bool>&) const final { return true; }

  bool is_step() const final { return true; }

  void influence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    Base::dependence(sets, inputs, output);
  }

  void dependence(DependenceSets&, const DependenceSets::Id* const*, DependenceSets::Id* output) const final {
    for (Index i = 0; i < this->size(); ++i) output[i] = DependenceSets::empty;
  }
};

/// v_i = s(u_i) for an increasing function s of steps.
class Step : public PiecewiseConstant<Operator> {
 public:
  explicit Step(const OperatorSpec& spec)
      : PiecewiseConstant(spec, spec.input_shapes.size() == 1 ? spec.input_shapes[0] : Shape{}) {
    expect_inputs(spec, 1);
  }

  void influence(DependenceSets&, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const final {
    std::copy_n(inputs[0], size(), output);
  }

  void value(const double* const* inputs, double* output, Index points, double*) const final {
    for (Index i = 0; i < size() * points; ++i) output[i] = apply(inputs[0][i]);
  }

  void bounds(const Interval* const* inputs, Interval* output) const final {
    for (Index i = 0; i < size(); ++i) output[i] = {apply(inputs[0][i].lower), apply(inputs[0][i].upper)};
  }

 private:
  virtual double apply(double u) const = 0;
};

}  // namespace fastexpr
