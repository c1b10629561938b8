// v = sqrt(u), NaN for u < 0    s' = 1 / (2 v)    s'' = -s' / (2 u); infinite at 0

#include <algorithm>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Sqrt final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::sqrt(u, v, count); }

  void derivatives(const double* u, const double* v, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = 0.5 / v[i];
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -0.5 * first[i] / u[i];
  }

  Bends bends(Interval) const override { return Bends::concave({0.0, interval::infinity}); }

  Interval image(Interval u) const override { return increasing_image(interval::within_domain(u, 0.0, interval::infinity)); }
};

const Registered<Sqrt> sqrt("Sqrt");

}  // namespace

}  // namespace fastexpr
