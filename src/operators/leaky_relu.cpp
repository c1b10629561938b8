// v = u for u > 0, otherwise alpha u    s' = 1 for u > 0, otherwise alpha: also at the kink u = 0

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class LeakyRelu final : public Elementwise {
 public:
  explicit LeakyRelu(const OperatorSpec& spec) : Elementwise(spec), alpha_(finite_number(spec, "alpha")) {}

  std::vector<double> kinks() const override { return {0.0}; }

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = u[i] > 0 ? u[i] : alpha_ * u[i];
  }

  void derivatives(const double* u, const double*, double* first, double*, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = u[i] > 0 ? 1.0 : alpha_;
  }

  bool has_second_derivative() const override { return false; }

  Branch branch_of(double u) const override { return u > 0 ? 1 : 0; }

  Piece piece(double u, Branch branch) const override {
    const double slope = branch == 1 ? 1.0 : alpha_;
    return {slope * u, slope, 0.0};
  }

  Bends bends(Interval) const override { return alpha_ <= 1 ? Bends::convex() : Bends::concave(); }

  Interval image(Interval u) const override { return image_with_turns(u, {0.0}); }  // falls below 0 where alpha < 0

  double alpha_;
};

const Registered<LeakyRelu> leaky_relu("LeakyRelu");

}  // namespace

}  // namespace fastexpr
