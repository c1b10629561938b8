// v = u / (1 + |u|)    s' = 1 / (1 + |u|)^2    s'' = -2 sign(u) / (1 + |u|)^3, 0 at u = 0

#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Softsign final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      const double bounded = std::clamp(u[i], -largest, largest);  // no inf / inf
      v[i] = bounded / (1.0 + std::abs(bounded));
    }
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      const double inverse = 1.0 / (1.0 + std::abs(u[i]));
      first[i] = inverse * inverse;
      if (second != nullptr) second[i] = (u[i] > 0 ? -2.0 : (u[i] < 0 ? 2.0 : 0.0)) * inverse * first[i];
    }
  }

  Bends bends(Interval) const override { return Bends::convex_until(0.0); }

  Interval image(Interval u) const override { return increasing_image(u); }

  static constexpr double largest = std::numeric_limits<double>::max();
};

const Registered<Softsign> softsign("Softsign");

}  // namespace

}  // namespace fastexpr
