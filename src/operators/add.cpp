// Add: v = a + b.  Sub: v = a - b.  NumPy broadcasting. No curvature.

#include "operators/broadcast.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Sum final : public LinearBroadcast {
 public:
  Sum(const OperatorSpec& spec, double sign) : LinearBroadcast(spec, sign) {}

 private:
  void apply(const double* a, const double* b, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = a[i] + sign() * b[i];
  }

  Interval image(Interval a, Interval b) const override { return interval::add(a, sign() > 0 ? b : interval::negative(b)); }
};

const Registered<Sum> add("Add", 1.0);
const Registered<Sum> sub("Sub", -1.0);

}  // namespace

}  // namespace fastexpr
