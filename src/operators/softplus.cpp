// v = log(1 + exp(u))    s' = sigmoid(u)    s'' = t (1 - t) with t = sigmoid(-|u|)

#include <cmath>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Softplus final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::softplus(u, v, count); }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    vector_math::sigmoid(u, first, count);
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -std::abs(u[i]);
    vector_math::sigmoid(second, second, count);
    for (Index i = 0; i < count; ++i) second[i] *= 1.0 - second[i];
  }

  Bends bends(Interval) const override { return Bends::convex(); }

  Interval image(Interval u) const override { return increasing_image(u); }
};

const Registered<Softplus> softplus("Softplus");

}  // namespace

}  // namespace fastexpr
