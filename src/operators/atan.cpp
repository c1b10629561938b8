// v = atan(u)    s' = 1 / (1 + u^2)    s'' = -2 u s'^2

#include <algorithm>
#include <cmath>

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Atan final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::atan(u[i]);
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = 1.0 / (1.0 + u[i] * u[i]);
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -2.0 * std::clamp(u[i], -far, far) * first[i] * first[i];
  }

  Bends bends(Interval) const override { return Bends::convex_until(0.0); }

  Interval image(Interval u) const override { return increasing_image(u); }

  static constexpr double far = 1e200;  // s' is 0 from there on: no inf * 0
};

const Registered<Atan> atan("Atan");

}  // namespace

}  // namespace fastexpr
