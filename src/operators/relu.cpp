// v = max(u, 0)    s' = 1 for u > 0, otherwise 0: also at the kink u = 0

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Relu final : public Elementwise {
 public:
  using Elementwise::Elementwise;

  std::vector<double> kinks() const override { return {0.0}; }

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = u[i] < 0 ? 0.0 : u[i];  // NaN stays NaN
  }

  void derivatives(const double* u, const double*, double* first, double*, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = u[i] > 0 ? 1.0 : 0.0;
  }

  bool has_second_derivative() const override { return false; }

  Branch branch_of(double u) const override { return u > 0 ? 1 : 0; }

  Piece piece(double u, Branch branch) const override { return branch == 1 ? Piece{u, 1.0, 0.0} : Piece{0.0, 0.0, 0.0}; }

  Bends bends(Interval) const override { return Bends::convex(); }

  Interval image(Interval u) const override { return increasing_image(u); }
};

const Registered<Relu> relu("Relu");

}  // namespace

}  // namespace fastexpr
