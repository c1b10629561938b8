// PRelu: v = u for u > 0, otherwise w u, NumPy broadcasting of the slopes w
//   u > 0: v_u = 1, v_w = 0    otherwise: v_u = w, v_w = u, v_uw = 1, also at the kink u = 0

#include <algorithm>
#include <utility>

#include "operators/broadcast.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class PRelu final : public CurvedBroadcast {
 public:
  explicit PRelu(const OperatorSpec& spec) : CurvedBroadcast(spec, {.aa = false, .ab = true, .bb = false}) {}

  std::vector<double> kinks() const override { return {0.0}; }

  /// The slopes have no part in where it is kinked.
  bool has_kink_in_difference() const override { return false; }

 private:
  void apply(const double* u, const double* w, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = u[i] > 0 ? u[i] : w[i] * u[i];
  }

  void derivatives(const double* u, const double* w, const double*, const Partials& partials, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      partials.a[i] = u[i] > 0 ? 1.0 : w[i];
      partials.b[i] = u[i] > 0 ? 0.0 : u[i];
    }
    if (partials.ab == nullptr) return;
    for (Index i = 0; i < count; ++i) partials.ab[i] = u[i] > 0 ? 0.0 : 1.0;
  }

  Branch branch_of(double u, double) const override { return u > 0 ? 1 : 0; }

  Piece piece(double u, double w, Branch branch) const override {
    return branch == 1 ? Piece{u, 1.0, 0.0, 0.0, 0.0, 0.0} : Piece{w * u, w, u, 0.0, 1.0, 0.0};
  }

  Branch branch_above() const override { return 1; }

  bool has_planes() const override { return true; }

  /// Of known slopes: u and w u on either side of the kink, of which v is the larger one for w <= 1, and the chord.
  bool planes(Interval u, Interval w, Plane& below, Plane& above) const override {
    if (u.lower >= 0) {
      below = above = {1, 0, 0};
      return true;
    }
    if (u.upper <= 0) return product_planes(u, w, below, above);
    if (w.lower != w.upper) return false;
    const double chord = (u.upper - w.lower * u.lower) / (u.upper - u.lower);
    below = {u.upper > -u.lower ? 1.0 : w.lower, 0, 0};
    above = {chord, 0, u.upper - chord * u.upper};
    if (w.lower > 1) std::swap(below, above);
    return true;
  }

  Interval image(Interval u, Interval w) const override {
    if (u.lower > 0) return u;
    const Interval below = interval::multiply({u.lower, std::min(u.upper, 0.0)}, w);
    if (u.upper <= 0) return below;
    return {std::min(below.lower, 0.0), std::max(below.upper, u.upper)};
  }
};

const Registered<PRelu> prelu("PRelu");

}  // namespace

}  // namespace fastexpr
