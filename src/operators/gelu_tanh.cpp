// v = u (1 + tanh(q / 2)) / 2 = u s(q), s the sigmoid, q = 2 sqrt(2 / pi) (u + 0.044715 u^3): the tanh form of Gelu
//   s' = e / (1 + e)^2 with e = h^2, h = exp(-|q| / 2);  v' = s + u s' q';  v'' = s' (2 q' + u (q'' + (1 - 2 s) q'^2))
// The two h of e meet the other factors one by one: in the far tail e alone is too small for all its digits.

#include <algorithm>
#include <cmath>
#include <numbers>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class GeluTanh final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = u[i] * (linear + cubic * u[i] * u[i]);
    vector_math::sigmoid(v, v, count);
    for (Index i = 0; i < count; ++i) v[i] = v[i] == 0 ? 0.0 : u[i] * v[i];  // 0 at -inf
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = -0.5 * std::abs(u[i] * (linear + cubic * u[i] * u[i]));
    vector_math::exp(first, first, count);
    for (Index i = 0; i < count; ++i) {
      const double x = std::clamp(u[i], -far, far);  // no inf * 0 below
      const double h = first[i], e = h * h;
      const double inverse = 1.0 / (1.0 + e);
      const double slope = h * inverse * inverse;  // s' / h
      const double dq = linear + 3.0 * cubic * x * x;
      first[i] = x > 0 ? inverse + x * slope * dq * h : (h * inverse + x * slope * dq) * h;
      if (second == nullptr) continue;
      const double one_minus_2s = std::copysign((1.0 - e) * inverse, -x);
      second[i] = slope * (2.0 * dq + x * (6.0 * cubic * x + one_minus_2s * dq * dq)) * h;
    }
  }

  Bends bends(Interval) const override { return Bends::convex_between(-bent_until, bent_until); }

  Interval image(Interval u) const override { return image_with_turns(u, {lowest_at}); }

  static constexpr double linear = 2.0 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  static constexpr double cubic = 0.044715 * linear;
  static constexpr double far = 50.0;  // t is 0
  static constexpr double lowest_at = -0.75246142207;
  static constexpr double bent_until = 1.418504008290828;  // where v'' is 0
};

const Registered<GeluTanh> gelu_tanh("GeluTanh");

}  // namespace

}  // namespace fastexpr
