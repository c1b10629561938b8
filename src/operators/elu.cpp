// Elu:  v = u for u > 0, otherwise alpha (exp(u) - 1)    Selu: gamma times that
//   s' = gamma, or gamma alpha exp(u)    s'' = 0, or gamma alpha exp(u)
// At u = 0 the derivatives are those from the left; the first jumps there unless alpha = 1.

#include <cmath>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Elu final : public Elementwise {
 public:
  explicit Elu(const OperatorSpec& spec)
      : Elementwise(spec),
        alpha_(finite_number(spec, "alpha")),
        gamma_(spec.name == "Selu" ? finite_number(spec, "gamma") : 1.0) {}

  std::vector<double> kinks() const override { return alpha_ == 1.0 ? std::vector<double>{} : std::vector<double>{0.0}; }

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = u[i] > 0 ? 0.0 : u[i];
    vector_math::expm1(v, v, count);
    for (Index i = 0; i < count; ++i) v[i] = gamma_ * (u[i] > 0 ? u[i] : alpha_ * v[i]);
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = u[i] > 0 ? 0.0 : u[i];
    vector_math::exp(first, first, count);
    for (Index i = 0; i < count; ++i) first[i] = gamma_ * (u[i] > 0 ? 1.0 : alpha_ * first[i]);
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = u[i] > 0 ? 0.0 : first[i];
  }

  Branch branch_of(double u) const override { return u > 0 ? 1 : 0; }

  Piece piece(double u, Branch branch) const override {
    if (branch == 1) return {gamma_ * u, gamma_, 0.0};
    const double slope = gamma_ * alpha_ * std::exp(u);
    return {gamma_ * alpha_ * std::expm1(u), slope, slope};
  }

  // The curved piece bends as gamma alpha says, the kink as gamma - gamma alpha does.
  Bends bends(Interval) const override {
    const Bends upright = alpha_ < 0 ? Bends::concave_until(0.0) : (alpha_ <= 1 ? Bends::convex() : Bends::convex_until(0.0));
    return gamma_ < 0 ? upright.negative() : upright;
  }

  Interval image(Interval u) const override { return image_with_turns(u, {0.0}); }  // falls below 0 where alpha < 0

  double alpha_;
  double gamma_;
};

const Registered<Elu> elu("Elu");
const Registered<Elu> selu("Selu");

}  // namespace

}  // namespace fastexpr
