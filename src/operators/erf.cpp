// v = erf(u)    s' = 2 / sqrt(pi) exp(-u^2)    s'' = -2 u s'

#include <algorithm>
#include <numbers>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Erf final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::erf(u, v, count); }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    constexpr double far = 100.0;  // exp(-far^2) is 0: no inf * 0
    for (Index i = 0; i < count; ++i) first[i] = -u[i] * u[i];
    vector_math::exp(first, first, count);
    for (Index i = 0; i < count; ++i) first[i] *= 2.0 * std::numbers::inv_sqrtpi;
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -2.0 * std::clamp(u[i], -far, far) * first[i];
  }

  Bends bends(Interval) const override { return Bends::convex_until(0.0); }

  Interval image(Interval u) const override { return increasing_image(u); }
};

const Registered<Erf> erf("Erf");

}  // namespace

}  // namespace fastexpr
