// Floor: v = the largest integer <= u    Ceil: the smallest integer >= u    Round: the nearest integer, halves to even
//   s' = 0, also at the jumps: every integer (Floor, Ceil), every half (Round). They are too many for `kinks` to name.

#include <cmath>

#include "operators/operators.hpp"
#include "operators/piecewise_constant.hpp"

namespace fastexpr {

namespace {

class Floor final : public Step {
 public:
  using Step::Step;

 private:
  double apply(double u) const override { return std::floor(u); }
};

class Ceil final : public Step {
 public:
  using Step::Step;

 private:
  double apply(double u) const override { return std::ceil(u); }
};

class Round final : public Step {
 public:
  using Step::Step;

 private:
  double apply(double u) const override { return std::nearbyint(u); }  // the processor's mode is to even
};

}  // namespace

OperatorPointer make_floor(OperatorSpec spec) { return std::make_shared<Floor>(spec); }

OperatorPointer make_ceil(OperatorSpec spec) { return std::make_shared<Ceil>(spec); }

OperatorPointer make_round(OperatorSpec spec) { return std::make_shared<Round>(spec); }

}  // namespace fastexpr
