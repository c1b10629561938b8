// v = -1, 0 or 1, the sign of u; NaN stays    s' = 0, also at the jump u = 0

#include "operators/piecewise_constant.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Sign final : public Step {
 public:
  using Step::Step;

  std::vector<double> kinks() const override { return {0.0}; }

  Index branch_size() const override { return size(); }

  void branches(const double* const* inputs, Branch* branches, Index points, double*) const override {
    for (Index i = 0; i < size() * points; ++i) branches[i] = inputs[0][i] > 0 ? 2 : (inputs[0][i] < 0 ? 0 : 1);
  }

  void value_on(const Branch* branches, const double* const*, double* output, Index points, double*) const override {
    for (Index i = 0; i < size() * points; ++i) output[i] = branches[i] - 1;
  }

  /// Where the sign is 0, both sides are a jump away.
  bool walls(Index unit, Branch branch, std::vector<Wall>& walls) const override {
    if (branch < 0 || branch > 2) return false;
    if (branch > 0) walls.push_back({0, unit, -1, 0, 0.0, 1.0, 0});
    if (branch < 2) walls.push_back({0, unit, -1, 0, 0.0, -1.0, 2});
    return true;
  }

 private:
  double apply(double u) const override { return u > 0 ? 1.0 : (u < 0 ? -1.0 : u); }
};

const Registered<Sign> sign("Sign");

}  // namespace

}  // namespace fastexpr
