// v = exp(u)    s' = s'' = v

#include <algorithm>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Exp final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override { vector_math::exp(u, v, count); }

  void derivatives(const double*, const double* v, double* first, double* second, Index count) const override {
    std::copy(v, v + count, first);
    if (second != nullptr) std::copy(v, v + count, second);
  }

  Bends bends(Interval) const override { return Bends::convex(); }

  Interval image(Interval u) const override { return increasing_image(u); }
};

const Registered<Exp> exp("Exp");

}  // namespace

}  // namespace fastexpr
