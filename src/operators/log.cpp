// v = log(u), NaN for u < 0    s' = 1 / u    s'' = -1 / u^2

#include <algorithm>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Log final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::log(u, v, count); }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = 1.0 / u[i];
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -first[i] / u[i];
  }

  Bends bends(Interval) const override { return Bends::concave({0.0, interval::infinity}); }

  Interval image(Interval u) const override { return increasing_image(interval::within_domain(u, 0.0, interval::infinity)); }
};

const Registered<Log> log("Log");

}  // namespace

}  // namespace fastexpr
