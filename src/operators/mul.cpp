// Mul: v = a b, NumPy broadcasting.   v_a = b   v_b = a   v_ab = 1

#include <algorithm>

#include "operators/broadcast.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Mul final : public CurvedBroadcast {
 public:
  explicit Mul(const OperatorSpec& spec) : CurvedBroadcast(spec, {.aa = false, .ab = true, .bb = false}) {}

 private:
  void apply(const double* a, const double* b, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = a[i] * b[i];
  }

  void derivatives(const double* a, const double* b, const double*, const Partials& partials, Index count) const override {
    std::copy(b, b + count, partials.a);
    std::copy(a, a + count, partials.b);
    if (partials.ab != nullptr) std::fill(partials.ab, partials.ab + count, 1.0);
  }

  bool keeps_zeros() const override { return true; }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index i = 0; i < size(); ++i) {
      const DependenceSets::Id a = inputs[0][unit_of(0, i)], b = inputs[1][unit_of(1, i)];
      const bool is_zero = a == DependenceSets::zero || b == DependenceSets::zero;
      output[i] = is_zero ? DependenceSets::zero : sets.unite(a, b);
    }
  }

  bool is_affine(const std::vector<bool>& depends) const override { return !depends[0] || !depends[1]; }

  bool has_planes() const override { return true; }
  bool planes(Interval a, Interval b, Plane& below, Plane& above) const override { return product_planes(a, b, below, above); }

  Interval image(Interval a, Interval b) const override { return interval::multiply(a, b); }
};

const Registered<Mul> mul("Mul");

}  // namespace

}  // namespace fastexpr
