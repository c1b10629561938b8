// v = u s(y), y = alpha u, s the sigmoid; Silu is alpha = 1
//   s' = t (1 - t) with t = s(-|y|);  v' = s + y s';  v'' = alpha s' (2 + y (1 - 2 s))

#include <algorithm>
#include <cmath>

#include "linalg/vector_math.hpp"
#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Swish final : public Elementwise {
 public:
  explicit Swish(const OperatorSpec& spec) : Elementwise(spec), alpha_(finite_number(spec, "alpha")) {}

 private:
  void apply(const double* u, double* v, Index count) const override {
    if (alpha_ == 1) return vector_math::silu(u, v, count);
    for (Index i = 0; i < count; ++i) v[i] = alpha_ * u[i];
    vector_math::sigmoid(v, v, count);
    for (Index i = 0; i < count; ++i) v[i] = v[i] == 0 ? 0.0 : u[i] * v[i];  // 0 at -inf
  }

  void derivatives(const double* u, const double*, double* first, double* second, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = -std::abs(alpha_ * u[i]);
    vector_math::sigmoid(first, first, count);
    for (Index i = 0; i < count; ++i) {
      const double y = std::clamp(alpha_ * u[i], -far, far);  // no inf * 0 below
      const double tail = first[i];
      const double slope = tail * (1.0 - tail);
      first[i] = (y > 0 ? 1.0 - tail : tail) + y * slope;
      if (second != nullptr) second[i] = alpha_ * slope * (2.0 - std::abs(y) * (1.0 - 2.0 * tail));
    }
  }

  // Falls to one turning point and rises (alpha > 0), or the reverse (alpha < 0); alpha = 0 is u / 2.
  Bends bends(Interval) const override {
    if (alpha_ == 0) return Bends::convex();
    const double turn = bent_until / std::abs(alpha_);
    return alpha_ > 0 ? Bends::convex_between(-turn, turn) : Bends::concave_between(-turn, turn);
  }

  Interval image(Interval u) const override {
    return alpha_ == 0 ? Interval{u.lower / 2.0, u.upper / 2.0} : image_with_turns(u, {lowest_at / alpha_});
  }

  static constexpr double far = 800.0;  // t is 0
  static constexpr double lowest_at = -1.2784645427610738;
  static constexpr double bent_until = 2.399357280515468;  // y where v'' is 0

  double alpha_;
};

const Registered<Swish> swish("Swish");

}  // namespace

}  // namespace fastexpr
