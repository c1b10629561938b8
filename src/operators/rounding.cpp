// Floor: v = the largest integer <= u    Ceil: the smallest integer >= u    Round: the nearest integer, halves to even
//   s' = 0, also at the jumps: every integer (Floor, Ceil), every half (Round). They are too many for `kinks` to name.

#include <cmath>

#include "operators/piecewise_constant.hpp"
#include "operators/registry.hpp"

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

const Registered<Floor> floor("Floor");
const Registered<Ceil> ceil("Ceil");
const Registered<Round> round("Round");

}  // namespace

}  // namespace fastexpr
