// v = tanh(u)    s' = 1 - v^2 = sech^2 u = 4 e / (1 + e)^2 with e = exp(-2 |u|)    s'' = -2 v s'
// 1 - v^2 costs nothing, but has no digits left where v is nearly 1: those units are computed by the other form.

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
    vector_math::tanh_derivatives(u, v, first, second, count);
  }

  Bends bends(Interval) const override { return Bends::convex_until(0.0); }

  Interval image(Interval u) const override { return increasing_image(u); }
};

const Registered<Tanh> tanh("Tanh");

}  // namespace

}  // namespace fastexpr
