// v = -1, 0 or 1, the sign of u; NaN stays    s' = 0, also at the jump u = 0

#include "operators/operators.hpp"
#include "operators/piecewise_constant.hpp"

namespace fastexpr {

namespace {

class Sign final : public Step {
 public:
  using Step::Step;

  std::vector<double> kinks() const override { return {0.0}; }

 private:
  double apply(double u) const override { return u > 0 ? 1.0 : (u < 0 ? -1.0 : u); }
};

}  // namespace

OperatorPointer make_sign(OperatorSpec spec) { return std::make_shared<Sign>(spec); }

}  // namespace fastexpr
