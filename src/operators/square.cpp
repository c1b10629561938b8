// v = u^2    s' = 2 u    s'' = 2      What simplify makes of u * u and of u ** 2: its curvature is diagonal.

#include <algorithm>

#include "operators/elementwise.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Square final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = u[i] * u[i];
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = 2 * u[i];
    if (second != nullptr) std::fill(second, second + count, 2.0);
  }

  Bends bends(Interval) const override { return Bends::convex(); }

  Interval image(Interval u) const override {
    const double low = u.lower * u.lower, high = u.upper * u.upper;
    return {interval::contains(u, 0) ? 0 : std::min(low, high), std::max(low, high)};
  }
};

const Registered<Square> square("Square");

}  // namespace

}  // namespace fastexpr
