// v = min(max(u, lower), upper); a limit that is absent is infinite    s' = 1 strictly between the limits, otherwise 0
// With lower > upper, v = upper everywhere.

#include <limits>

#include "operators/elementwise.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Clip final : public Elementwise {
 public:
  explicit Clip(const OperatorSpec& spec)
      : Elementwise(spec), lower_(limit(spec, "lower", -infinity)), upper_(limit(spec, "upper", infinity)) {}

  std::vector<double> kinks() const override {
    std::vector<double> limits;
    if (lower_ <= upper_ && lower_ > -infinity) limits.push_back(lower_);
    if (lower_ <= upper_ && upper_ < infinity) limits.push_back(upper_);
    return limits;
  }

 private:
  void apply(const double* u, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) {
      const double raised = u[i] < lower_ ? lower_ : u[i];
      v[i] = raised > upper_ ? upper_ : raised;
    }
  }

  void derivatives(const double* u, const double*, double* first, double*, Index count) const override {
    for (Index i = 0; i < count; ++i) first[i] = u[i] > lower_ && u[i] < upper_ ? 1.0 : 0.0;
  }

  bool has_second_derivative() const override { return false; }

  Branch branch_of(double u) const override {
    if (u <= lower_) return 0;
    return (lower_ > -infinity ? 1 : 0) + (u >= upper_ ? 1 : 0);
  }

  Piece piece(double u, Branch branch) const override {
    const Branch inside = lower_ > -infinity ? 1 : 0;
    if (branch == inside) return {u, 1.0, 0.0};
    return {branch < inside ? lower_ : upper_, 0.0, 0.0};
  }

  Bends bends(Interval) const override {
    if (!(lower_ < upper_) || upper_ == infinity) return Bends::convex();
    return lower_ == -infinity ? Bends::concave() : Bends::convex_until(0.5 * lower_ + 0.5 * upper_);
  }

  Interval image(Interval u) const override { return increasing_image(u); }

  static double limit(const OperatorSpec& spec, const std::string& name, double absent) {
    return spec.attributes.has(name) ? finite_number(spec, name) : absent;
  }

  static constexpr double infinity = std::numeric_limits<double>::infinity();

  double lower_;
  double upper_;
};

const Registered<Clip> clip("Clip");

}  // namespace

}  // namespace fastexpr
