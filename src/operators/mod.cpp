// Mod: v = a - b q, q = floor(a / b), or with fmod = 1 rounded towards 0: C's fmod; NumPy broadcasting
//   v_a = 1    v_b = -q    at the jumps, multiples of b, those of the piece that the value belongs to
//   attributes: fmod, 0 (v has the sign of b) or 1 (of a). The jumps are too many for `kinks` to name.

#include <algorithm>
#include <cmath>

#include "graph/errors.hpp"
#include "operators/broadcast.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Mod final : public CurvedBroadcast {
 public:
  explicit Mod(const OperatorSpec& spec)
      : CurvedBroadcast(spec, {.aa = false, .ab = false, .bb = false}), is_fmod_(checked_fmod(spec)) {}

 private:
  double remainder(double a, double b) const {
    const double v = std::fmod(a, b);
    return !is_fmod_ && v != 0 && (v < 0) != (b < 0) ? v + b : v;
  }

  void apply(const double* a, const double* b, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = remainder(a[i], b[i]);
  }

  void derivatives(const double* a, const double* b, const double* v, const Partials& partials, Index count) const override {
    std::fill(partials.a, partials.a + count, 1.0);
    for (Index i = 0; i < count; ++i) partials.b[i] = -std::nearbyint((a[i] - v[i]) / b[i]);
  }

  Interval image(Interval a, Interval b) const override {
    if (interval::contains(b, 0.0)) return interval::may_be_nan;
    if (!(std::isfinite(b.lower) && std::isfinite(b.upper))) return interval::whole_line;
    const double largest = std::max(std::abs(b.lower), std::abs(b.upper));
    if (b.lower == b.upper && b.lower != 0 && std::isfinite(a.lower) && std::isfinite(a.upper)) {
      const Interval ends{remainder(a.lower, b.lower), remainder(a.upper, b.lower)};
      const bool is_one_piece = a.upper - a.lower < largest && ends.lower <= ends.upper &&
                                std::abs((ends.upper - ends.lower) - (a.upper - a.lower)) <= 1e-9 * largest;
      if (is_one_piece) return ends;
    }
    if (!is_fmod_) return {b.lower < 0 ? b.lower : 0.0, b.upper > 0 ? b.upper : 0.0};
    return {a.lower < 0 ? -std::min(largest, -a.lower) : 0.0, a.upper > 0 ? std::min(largest, a.upper) : 0.0};
  }

  static bool checked_fmod(const OperatorSpec& spec) {
    const Index fmod = spec.attributes.integer("fmod");
    if (fmod != 0 && fmod != 1) refuse("fmod: got " + std::to_string(fmod) + ", expected 0 or 1.");
    return fmod == 1;
  }

  bool is_fmod_;
};

const Registered<Mod> mod("Mod");

}  // namespace

}  // namespace fastexpr
