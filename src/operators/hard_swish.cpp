// v = u min(max(h, 0), 1), h = alpha u + beta
//   0 < h < 1: s' = 2 alpha u + beta, s'' = 2 alpha    otherwise: s' = 0 (h <= 0) or 1 (h >= 1), also at the kinks

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class HardSwish final : public Elementwise {
 public:
  explicit HardSwish(const OperatorSpec& spec)
      : Elementwise(spec), alpha_(finite_number(spec, "alpha")), beta_(finite_number(spec, "beta")) {}

  std::vector<double> kinks() const override {
    return alpha_ == 0 ? std::vector<double>{} : std::vector<double>{-beta_ / alpha_, (1.0 - beta_) / alpha_};
  }

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      const double h = alpha_ * u[i] + beta_;
      v[i] = h <= 0 ? 0.0 : (h >= 1 ? u[i] : u[i] * h);
    }
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      const double h = alpha_ * u[i] + beta_;
      first[i] = h <= 0 ? 0.0 : (h >= 1 ? 1.0 : 2.0 * alpha_ * u[i] + beta_);
      if (second != nullptr) second[i] = h > 0 && h < 1 ? 2.0 * alpha_ : 0.0;
    }
  }

  Branch branch_of(double u) const override {
    const double h = alpha_ * u + beta_;
    const Branch rising = h <= 0 ? 0 : (h >= 1 ? 2 : 1);
    return alpha_ > 0 ? rising : 2 - rising;
  }

  Piece piece(double u, Branch branch) const override {
    if (branch == 1) return {u * (alpha_ * u + beta_), 2.0 * alpha_ * u + beta_, 2.0 * alpha_};
    return (branch == 2) == (alpha_ > 0) ? Piece{u, 1.0, 0.0} : Piece{0.0, 0.0, 0.0};
  }

  // A parabola between two kinks, which are concave where its slopes there, -beta and 2 - beta, are at most 0 and at least 1.
  Bends bends(Interval) const override {
    if (alpha_ == 0) return Bends::convex();
    const bool has_concave_kinks = alpha_ > 0 && beta_ >= 0 && beta_ <= 1;
    return has_concave_kinks ? Bends::convex_between(-beta_ / alpha_, (1.0 - beta_) / alpha_) : Bends::unknown();
  }

  Interval image(Interval u) const override {
    if (alpha_ == 0) return image_with_turns(u, {});
    return image_with_turns(u, {-beta_ / alpha_, -0.5 * beta_ / alpha_, (1.0 - beta_) / alpha_});
  }

  double alpha_;
  double beta_;
};

const Registered<HardSwish> hard_swish("HardSwish");

}  // namespace

}  // namespace fastexpr
