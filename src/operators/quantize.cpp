// v = u rounded to the nearest integer, the even one of two    s' = 1, s'' = 0
// The value is what quantized networks compute. Its derivative is 0 wherever it exists, which is no use to anyone; this one is
// "straight through" (Bengio, Leonard and Courville, 2013, arXiv:1308.3432): that of the network without the rounding.

#include <cmath>

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Quantize final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::nearbyint(u[i]);
  }

  void derivatives(const double*, const double*, double* first, double*, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = 1.0;
  }

  bool is_step() const override { return true; }

  std::string note() const override {
    return "rounds numbers that depend on x: its value is exactly that, and so a staircase, but its derivatives are those of the "
           "network without rounding. A solver may not reach its tolerances.";
  }

  bool has_second_derivative() const override { return false; }

  Interval image(Interval u) const override { return increasing_image(u); }
};

const Registered<Quantize> quantize("Quantize");

}  // namespace

}  // namespace fastexpr
