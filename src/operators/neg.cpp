// v = -u    s' = -1

#include <algorithm>

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Neg final : public Elementwise {
 public:
  using Elementwise::Elementwise;

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = -u[i];
  }

  void derivatives(const double*, const double*, double* first, double*, Index count) const override {
    std::fill(first, first + count, -1.0);
  }

  bool has_second_derivative() const override { return false; }

  bool is_affine(const std::vector<bool>&) const override { return true; }

  Interval image(Interval u) const override { return {-u.upper, -u.lower}; }
};

const Registered<Neg> neg("Neg");

}  // namespace

}  // namespace fastexpr
