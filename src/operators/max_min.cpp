// Max: v = max(a, b)    Min: v = min(a, b)    NumPy broadcasting; NaN where one of them is
//   The one that is chosen has derivative 1, the other 0. At the kink a = b it is b.

#include <cmath>

#include "operators/broadcast.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

/// Max; or Min, which is the largest of what has its sign turned.
class Extreme final : public CurvedBroadcast {
 public:
  Extreme(const OperatorSpec& spec, double sign) : CurvedBroadcast(spec, {.aa = false, .ab = false, .bb = false}), sign_(sign) {}

  std::vector<double> kinks() const override { return {0.0}; }

  bool takes_infinities() const override { return true; }

 private:
  bool is_first(double a, double b) const { return sign_ * a > sign_ * b || std::isnan(a); }

  void apply(const double* a, const double* b, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = is_first(a[i], b[i]) ? a[i] : b[i];
  }

  void derivatives(const double* a, const double* b, const double*, const Partials& partials, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      partials.a[i] = is_first(a[i], b[i]) ? 1.0 : 0.0;
      partials.b[i] = 1.0 - partials.a[i];
    }
  }

  Branch branch_of(double a, double b) const override { return is_first(a, b) ? 0 : 1; }

  Piece piece(double a, double b, Branch branch) const override {
    return branch == 0 ? Piece{a, 1.0, 0.0, 0.0, 0.0, 0.0} : Piece{b, 0.0, 1.0, 0.0, 0.0, 0.0};
  }

  Branch branch_above() const override { return sign_ > 0 ? 0 : 1; }

  bool has_planes() const override { return true; }
  bool planes(Interval a, Interval b, Plane& below, Plane& above) const override {
    if (sign_ > 0) {
      below = largest_below(a, b), above = largest_above(a, b);
    } else {  // min(a, b) = -max(-a, -b)
      const Plane low = largest_above({-a.upper, -a.lower}, {-b.upper, -b.lower});
      below = {low.a, low.b, -low.offset}, above = largest_below({-a.upper, -a.lower}, {-b.upper, -b.lower});
    }
    return true;
  }

  Interval image(Interval a, Interval b) const override {
    Interval v{};
    apply(&a.lower, &b.lower, &v.lower, 1);
    apply(&a.upper, &b.upper, &v.upper, 1);
    return v;
  }

  double sign_;
};

const Registered<Extreme> max("Max", 1.0);
const Registered<Extreme> min("Min", -1.0);

}  // namespace

}  // namespace fastexpr
