// v = u P(u), P(u) = erfc(-u / sqrt 2) / 2, the normal distribution; 1 + erf would cancel in the left tail.
//   s' = P + u p    s'' = (2 - u^2) p    with p(u) = exp(-u^2 / 2) / sqrt(2 pi)

#include <algorithm>
#include <cmath>
#include <numbers>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Gelu final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::gelu(u, v, count); }

  void derivatives(const double* u, const double* v, double* first, double* second, Index count) const override {
    constexpr double density_at_0 = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
    for (Index i = 0; i < count; ++i) first[i] = -0.5 * u[i] * u[i];
    vector_math::exp(first, first, count);
    for (Index i = 0; i < count; ++i) {
      const double x = std::clamp(u[i], -far, far);  // no inf * 0 below
      const double density = density_at_0 * first[i];
      const double probability = u[i] > far ? 1.0 : (std::abs(u[i]) < near ? 0.5 : v[i] / u[i]);
      first[i] = probability + x * density;
      if (second != nullptr) second[i] = (2.0 - x * x) * density;
    }
  }

  Bends bends(Interval) const override { return Bends::convex_between(-std::numbers::sqrt2, std::numbers::sqrt2); }

  Interval image(Interval u) const override { return image_with_turns(u, {lowest_at}); }

  static constexpr double far = 100.0;    // exp(-far^2 / 2) is 0
  static constexpr double near = 1e-290;  // P is 0.5, and v / u may have lost digits
  static constexpr double lowest_at = -0.75179152469143;
};

const Registered<Gelu> gelu("Gelu");

}  // namespace

}  // namespace fastexpr
