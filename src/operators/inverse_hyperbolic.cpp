// Asinh: v = asinh(u)                   s' = 1 / sqrt(1 + u^2)                  s'' = -u s'^3
// Acosh: v = acosh(u), NaN for u < 1    s' = 1 / (sqrt(u - 1) sqrt(u + 1))      s'' = -u s'^3; infinite at 1
// Atanh: v = atanh(u), NaN for |u| > 1  s' = 1 / ((1 - u) (1 + u))              s'' = 2 u s'^2; infinite at -1 and 1

#include <algorithm>
#include <cmath>

#include "operators/elementwise.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

constexpr double far = 1e300;  // from there on s'' is 0: no inf * 0

/// second = -u s'^3, in an order that does not underflow before the result does.
void falling_slope(const double* u, const double* first, double* second, Index count) {
  for (Index i = 0; i < count; ++i) second[i] = -(std::clamp(u[i], -far, far) * first[i]) * first[i] * first[i];
}

class Asinh final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::asinh(u[i]);
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = 1.0 / std::hypot(1.0, u[i]);
    if (second != nullptr) falling_slope(u, first, second, count);
  }

  Bends bends(Interval) const override { return Bends::convex_until(0.0); }

  Interval image(Interval u) const override { return increasing_image(u); }
};

class Acosh final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::acosh(u[i]);
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = 1.0 / (std::sqrt(u[i] - 1.0) * std::sqrt(u[i] + 1.0));
    if (second != nullptr) falling_slope(u, first, second, count);
  }

  Bends bends(Interval) const override { return Bends::concave({1.0, interval::infinity}); }

  Interval image(Interval u) const override { return increasing_image(interval::within_domain(u, 1.0, interval::infinity)); }
};

class Atanh final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::atanh(u[i]);
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = std::abs(u[i]) <= 1 ? 1.0 / ((1.0 - u[i]) * (1.0 + u[i])) : not_defined;
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = 2.0 * u[i] * first[i] * first[i];
  }

  Bends bends(Interval) const override { return Bends::concave_until(0.0, {-1.0, 1.0}); }

  Interval image(Interval u) const override { return increasing_image(interval::within_domain(u, -1.0, 1.0)); }

  static constexpr double not_defined = std::numeric_limits<double>::quiet_NaN();
};

const Registered<Asinh> asinh("Asinh");
const Registered<Acosh> acosh("Acosh");
const Registered<Atanh> atanh("Atanh");

}  // namespace

}  // namespace fastexpr
