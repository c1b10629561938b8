// v = min(max(h, 0), 1), h = alpha u + beta    s' = alpha for 0 < h < 1, otherwise 0: also at the kinks

#include "operators/hard_gate.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class HardSigmoid final : public HardGate {
 public:
  using HardGate::HardGate;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = h(u[i]) < 0 ? 0.0 : (h(u[i]) > 1 ? 1.0 : h(u[i]));
  }

  void derivatives(const double* u, const double*, double* first, double*, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = h(u[i]) > 0 && h(u[i]) < 1 ? alpha_ : 0.0;
  }

  bool has_second_derivative() const override { return false; }

  Piece piece(double u, Branch branch) const override {
    if (branch == 1) return {h(u), alpha_, 0.0};
    return {is_open(branch) ? 1.0 : 0.0, 0.0, 0.0};
  }

  Bends bends(Interval) const override {
    if (alpha_ == 0) return Bends::convex();
    const double middle = (0.5 - beta_) / alpha_;
    return alpha_ > 0 ? Bends::convex_until(middle) : Bends::concave_until(middle);
  }

  Interval image(Interval u) const override { return image_with_turns(u, {}); }
};

const Registered<HardSigmoid> hard_sigmoid("HardSigmoid");

}  // namespace

}  // namespace fastexpr
