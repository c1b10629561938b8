// v = min(max(h, 0), 1), h = alpha u + beta    s' = alpha for 0 < h < 1, otherwise 0: also at the kinks

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class HardSigmoid final : public Elementwise {
 public:
  explicit HardSigmoid(const OperatorSpec& spec)
      : Elementwise(spec), alpha_(finite_number(spec, "alpha")), beta_(finite_number(spec, "beta")) {}

  std::vector<double> kinks() const override {
    return alpha_ == 0 ? std::vector<double>{} : std::vector<double>{-beta_ / alpha_, (1.0 - beta_) / alpha_};
  }

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      const double h = alpha_ * u[i] + beta_;
      v[i] = h < 0 ? 0.0 : (h > 1 ? 1.0 : h);
    }
  }

  void derivatives(const double* u, const double*, double* first, double*, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      const double h = alpha_ * u[i] + beta_;
      first[i] = h > 0 && h < 1 ? alpha_ : 0.0;
    }
  }

  bool has_second_derivative() const override { return false; }

  Branch branch_of(double u) const override {
    const double h = alpha_ * u + beta_;
    const Branch rising = h <= 0 ? 0 : (h >= 1 ? 2 : 1);
    return alpha_ > 0 ? rising : 2 - rising;
  }

  Piece piece(double u, Branch branch) const override {
    if (branch == 1) return {alpha_ * u + beta_, alpha_, 0.0};
    return {(branch == 2) == (alpha_ > 0) ? 1.0 : 0.0, 0.0, 0.0};
  }

  Bends bends(Interval) const override {
    if (alpha_ == 0) return Bends::convex();
    const double middle = (0.5 - beta_) / alpha_;
    return alpha_ > 0 ? Bends::convex_until(middle) : Bends::concave_until(middle);
  }

  Interval image(Interval u) const override { return image_with_turns(u, {}); }

  double alpha_;
  double beta_;
};

const Registered<HardSigmoid> hard_sigmoid("HardSigmoid");

}  // namespace

}  // namespace fastexpr
