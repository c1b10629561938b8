// Sinh: v = sinh(u)    s' = cosh(u)    s'' = v
// Cosh: v = cosh(u)    s' = sinh(u)    s'' = v

#include <algorithm>
#include <cmath>

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Sinh final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::sinh(u[i]);
  }

  void derivatives(const double* u, const double* v, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = std::cosh(u[i]);
    if (second != nullptr) std::copy(v, v + count, second);
  }

  Bends bends(Interval) const override { return Bends::concave_until(0.0); }

  Interval image(Interval u) const override { return increasing_image(u); }
};

class Cosh final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::cosh(u[i]);
  }

  void derivatives(const double* u, const double* v, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = std::sinh(u[i]);
    if (second != nullptr) std::copy(v, v + count, second);
  }

  Bends bends(Interval) const override { return Bends::convex(); }

  Interval image(Interval u) const override { return image_with_turns(u, {0.0}); }
};

const Registered<Sinh> sinh("Sinh");
const Registered<Cosh> cosh("Cosh");

}  // namespace

}  // namespace fastexpr
