// v = |u|    s' = sign(u), 0 at the kink u = 0, which is neither branch's

#include <cmath>

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Abs final : public Elementwise {
 public:
  using Elementwise::Elementwise;

  std::vector<double> kinks() const override { return {0.0}; }

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = std::abs(u[i]);
  }

  void derivatives(const double* u, const double*, double* first, double*, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = u[i] > 0 ? 1.0 : (u[i] < 0 ? -1.0 : 0.0);
  }

  bool has_second_derivative() const override { return false; }

  Branch branch_of(double u) const override { return u < 0 ? 0 : 1; }

  Piece piece(double u, Branch branch) const override { return branch == 1 ? Piece{u, 1.0, 0.0} : Piece{-u, -1.0, 0.0}; }

  Bends bends(Interval) const override { return Bends::convex(); }

  Interval image(Interval u) const override { return image_with_turns(u, {0.0}); }
};

const Registered<Abs> abs("Abs");

}  // namespace

}  // namespace fastexpr
