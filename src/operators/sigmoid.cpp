// v = 1 / (1 + exp(-u))    s' = t (1 - t)    s'' = -s' tanh(u / 2)    with t = sigmoid(-|u|)
// The tail t keeps its digits where 1 - v has none left, and tanh(u / 2) = -m / (2 + m), m = expm1(-u), where 1 - 2 v has none.

#include <cmath>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Sigmoid final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::sigmoid(u, v, count); }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = -std::abs(u[i]);
    if (second != nullptr) vector_math::expm1(first, second, count);
    vector_math::sigmoid(first, first, count);
    for (Index i = 0; i < count; ++i) first[i] *= 1.0 - first[i];
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = std::copysign(first[i] * (second[i] / (2.0 + second[i])), -u[i]);
  }

  Bends bends(Interval) const override { return Bends::convex_until(0.0); }

  Interval image(Interval u) const override { return increasing_image(u); }
};

const Registered<Sigmoid> sigmoid("Sigmoid");

}  // namespace

}  // namespace fastexpr
