// Div: v = a / b, NumPy broadcasting.   v_a = 1 / b   v_b = -v / b   v_ab = -1 / b^2   v_bb = 2 v / b^2
// At b = 0: infinite or NaN, as IEEE arithmetic has it.

#include "operators/broadcast.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Div final : public CurvedBroadcast {
 public:
  explicit Div(const OperatorSpec& spec) : CurvedBroadcast(spec, {.aa = false, .ab = true, .bb = true}) {}

 private:
  void apply(const double* a, const double* b, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = a[i] / b[i];
  }

  void derivatives(const double*, const double* b, const double* v, const Partials& partials, Index count) const override {
    for (Index i = 0; i < count; ++i) partials.a[i] = 1.0 / b[i];
    for (Index i = 0; i < count; ++i) partials.b[i] = -v[i] / b[i];
    if (partials.ab == nullptr) return;
    for (Index i = 0; i < count; ++i) partials.ab[i] = -partials.a[i] / b[i];
    for (Index i = 0; i < count; ++i) partials.bb[i] = -2.0 * partials.b[i] / b[i];
  }

  bool is_affine(const std::vector<bool>& depends) const override { return !depends[1]; }

  bool has_planes() const override { return true; }
  // a w with w = 1 / b, which bends one way: its chord on one side, its tangent in the middle on the other.
  bool planes(Interval a, Interval b, Plane& below, Plane& above) const override {
    if (!(b.lower > 0 || b.upper < 0)) return false;
    const Interval w{1.0 / b.upper, 1.0 / b.lower};
    product_planes(a, w, below, above);
    const double middle = 0.5 * b.lower + 0.5 * b.upper, tangent = -1.0 / middle / middle, chord = -w.lower * w.upper;
    const double tangent_offset = 2.0 / middle, chord_offset = w.lower + w.upper;
    const bool is_convex = b.lower > 0;
    for (Plane* plane : {&below, &above}) {
      const bool wants_tangent = is_convex == ((plane == &below) == (plane->b >= 0));
      plane->offset += plane->b * (wants_tangent ? tangent_offset : chord_offset);
      plane->b *= wants_tangent ? tangent : chord;
    }
    return true;
  }

  Interval image(Interval a, Interval b) const override { return interval::divide(a, b); }
};

const Registered<Div> div("Div");

}  // namespace

}  // namespace fastexpr
