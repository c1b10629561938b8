// v = tan(u)    s' = 1 + v^2    s'' = 2 v s'

#include <cmath>
#include <numbers>

#include "operators/elementwise.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Tan final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::tan(u[i]);
  }

  void derivatives(const double*, const double* v, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = 1.0 + v[i] * v[i];
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = 2.0 * v[i] * first[i];
  }

  Bends bends(Interval u) const override {
    if (interval::has_periodic_point(u, std::numbers::pi / 2.0, std::numbers::pi)) return Bends::unknown();
    return Bends::concave_until(std::round(u.lower / std::numbers::pi) * std::numbers::pi);
  }

  Interval image(Interval u) const override {
    return interval::has_periodic_point(u, std::numbers::pi / 2.0, std::numbers::pi) ? interval::whole_line : increasing_image(u);
  }
};

const Registered<Tan> tan("Tan");

}  // namespace

}  // namespace fastexpr
