// Matern: kernel of a Gaussian process as a function of u = |x - X|^2 / length^2, NaN for u < 0.
//   nu = 1.5:  r = sqrt(3u)   v = (1 + r) e^-r             s' = -3/2 e^-r          s'' = 9/4 e^-r / r
//   nu = 2.5:  r = sqrt(5u)   v = (1 + r + r^2/3) e^-r     s' = -5/6 (1 + r) e^-r  s'' = 25/12 e^-r
// Written with products of 1 + r and e^-r, the derivative by r near 0 is a difference of two equal numbers, and that of r is
// infinite. With nu = 1.5, s'' is infinite at u = 0, and 0 is taken: it meets the slope of a squared distance, which is 0 there.
// e^-r is the square of h = e^(-r/2), and the other factors meet an h before it does: e^-r alone is too small for all its digits.

#include <algorithm>
#include <cmath>

#include "graph/decimal.hpp"
#include "graph/errors.hpp"
#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Matern final : public Elementwise {
 public:
  explicit Matern(const OperatorSpec& spec) : Elementwise(spec), nu_(finite_number(spec, "nu")) {
    if (nu_ != 1.5 && nu_ != 2.5) refuse("nu: got " + decimal(nu_) + ", expected 1.5 or 2.5.");
  }

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = -0.5 * root(u[i]);
    vector_math::exp(v, v, count);
    for (Index i = 0; i < count; ++i) {
      const double r = root(u[i]);
      v[i] *= v[i] * (nu_ == 1.5 ? 1.0 + r : 1.0 + r + r * r / 3.0);
    }
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = -0.5 * root(u[i]);
    vector_math::exp(first, first, count);
    if (second != nullptr)
      for (Index i = 0; i < count; ++i) {
        const double r = root(u[i]);
        second[i] = first[i] * (first[i] * (nu_ == 2.5 ? 25.0 / 12.0 : r == 0.0 ? 0.0 : 2.25 / r));
      }
    for (Index i = 0; i < count; ++i) first[i] *= first[i] * (nu_ == 1.5 ? -1.5 : -5.0 / 6.0 * (1.0 + root(u[i])));
  }

  Bends bends(Interval) const override { return Bends::convex({0.0, interval::infinity}); }

  Interval image(Interval u) const override {
    const Interval mirrored = increasing_image(interval::within_domain(u, 0.0, interval::infinity));
    return {mirrored.upper, mirrored.lower};
  }

  double root(double u) const { return std::sqrt(2.0 * nu_ * (u > far ? far : u)); }

  double nu_;

  static constexpr double far = 1e6;  // e^-1000 is 0, and no inf * 0 arises
};

const Registered<Matern> matern("Matern");

}  // namespace

}  // namespace fastexpr
