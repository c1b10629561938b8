// v = tanh(u)    s' = 1 - v^2    s'' = -2 v (1 - v^2)

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/operators.hpp"

namespace fastexpr {

namespace {

class Tanh final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::tanh(u, v, count); }

  void derivatives(const double*, const double* v, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = (1 - v[i]) * (1 + v[i]);
    if (second == nullptr) return;
    for (Index i = 0; i < count; ++i) second[i] = -2 * v[i] * first[i];
  }

  Interval image(Interval u) const override { return increasing_image(u); }
};

}  // namespace

OperatorPointer make_tanh(OperatorSpec spec) { return std::make_shared<Tanh>(std::move(spec)); }

}  // namespace fastexpr
