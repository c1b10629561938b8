// v = tanh(u)    s' = 1 - v^2 = sech^2 u = 4 e / (1 + e)^2 with e = exp(-2 |u|)    s'' = -2 v s'
// 1 - v^2 costs nothing, but has no digits left where v is nearly 1: those units are computed by the other form.

#include <cmath>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Tanh final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::tanh(u, v, count); }

  void derivatives(const double* u, const double* v, double* first, double* second, Index count) const override {
    Index n_saturated = 0;
    for (Index i = 0; i < count; ++i) {
      first[i] = (1.0 - v[i]) * (1.0 + v[i]);
      n_saturated += first[i] < saturated ? 1 : 0;
    }
    if (n_saturated > 0) restore_digits(u, first, count);
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -2.0 * v[i] * first[i];
  }

  static void restore_digits(const double* u, double* first, Index count) {
    constexpr Index most = 64;
    double e[most];
    Index unit[most];
    for (Index i = 0; i < count;) {
      Index n = 0;
      for (; i < count && n < most; ++i) {
        if (!(first[i] < saturated)) continue;
        e[n] = -2.0 * std::abs(u[i]);
        unit[n++] = i;
      }
      vector_math::exp(e, e, n);
      for (Index k = 0; k < n; ++k) first[unit[k]] = 4.0 * e[k] / ((1.0 + e[k]) * (1.0 + e[k]));
    }
  }

  Bends bends(Interval) const override { return Bends::convex_until(0.0); }

  Interval image(Interval u) const override { return increasing_image(u); }

  static constexpr double saturated = 0.02;  // above it 1 - v^2 has 14 digits
};

const Registered<Tanh> tanh("Tanh");

}  // namespace

}  // namespace fastexpr
