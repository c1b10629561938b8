// Asin: v = asin(u), NaN for |u| > 1    s' = 1 / sqrt((1 - u) (1 + u))     s'' = u s'^3; infinite at -1 and 1
// Acos: v = acos(u), NaN for |u| > 1    s' = -1 / sqrt((1 - u) (1 + u))    s'' = u s'^3; infinite at -1 and 1

#include <algorithm>
#include <cmath>

#include "operators/elementwise.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

void arc_derivatives(double sign, const double* u, double* first, double* second, Index count) {
  for (Index i = 0; i < count; ++i) first[i] = sign / std::sqrt((1.0 - u[i]) * (1.0 + u[i]));
  if (second == nullptr) return;
  for (Index i = 0; i < count; ++i) second[i] = u[i] * first[i] * first[i] * first[i];
}

class Asin final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::asin(u[i]);
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    arc_derivatives(1.0, u, first, second, count);
  }

  Bends bends(Interval) const override { return Bends::concave_until(0.0, {-1.0, 1.0}); }

  Interval image(Interval u) const override { return increasing_image(interval::within_domain(u, -1.0, 1.0)); }
};

class Acos final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::acos(u[i]);
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    arc_derivatives(-1.0, u, first, second, count);
  }

  Bends bends(Interval) const override { return Bends::convex_until(0.0, {-1.0, 1.0}); }

  Interval image(Interval u) const override { return image_with_turns(interval::within_domain(u, -1.0, 1.0), {}); }
};

const Registered<Asin> asin("Asin");
const Registered<Acos> acos("Acos");

}  // namespace

}  // namespace fastexpr
