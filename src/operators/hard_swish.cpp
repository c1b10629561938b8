// v = u min(max(h, 0), 1), h = alpha u + beta
//   0 < h < 1: s' = 2 alpha u + beta, s'' = 2 alpha    otherwise: s' = 0 (h <= 0) or 1 (h >= 1), also at the kinks

#include "operators/hard_gate.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class HardSwish final : public HardGate {
 public:
  using HardGate::HardGate;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = h(u[i]) <= 0 ? 0.0 : (h(u[i]) >= 1 ? u[i] : u[i] * h(u[i]));
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      first[i] = h(u[i]) <= 0 ? 0.0 : (h(u[i]) >= 1 ? 1.0 : 2.0 * alpha_ * u[i] + beta_);
      if (second != nullptr) second[i] = h(u[i]) > 0 && h(u[i]) < 1 ? 2.0 * alpha_ : 0.0;
    }
  }

  Piece piece(double u, Branch branch) const override {
    if (branch == 1) return {u * h(u), 2.0 * alpha_ * u + beta_, 2.0 * alpha_};
    return is_open(branch) ? Piece{u, 1.0, 0.0} : Piece{0.0, 0.0, 0.0};
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
};

const Registered<HardSwish> hard_swish("HardSwish");

}  // namespace

}  // namespace fastexpr
