// Less: v = a < b    LessOrEqual: v = a <= b    Equal: v = a == b    1 where it holds, else 0; NumPy broadcasting
//   Derivatives are zero, also at the jump a = b. With a NaN nothing holds. a > b is Less with a and b exchanged.

#include "operators/broadcast.hpp"
#include "operators/piecewise_constant.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Comparison : public PiecewiseConstant<Broadcast> {
 public:
  explicit Comparison(const OperatorSpec& spec) : PiecewiseConstant(spec) {}

  std::vector<double> kinks() const override { return {0.0}; }

  bool takes_infinities() const override { return true; }

 protected:
  /// A branch is the truth value.
  Branch branch_of(double a, double b) const override {
    double v = 0;
    apply(&a, &b, &v, 1);
    return static_cast<Branch>(v);
  }

  Piece piece(double, double, Branch branch) const override { return {static_cast<double>(branch), 0.0, 0.0, 0.0, 0.0, 0.0}; }

  /// The interval of a truth value that is certain, or open.
  static Interval truth(bool must_hold, bool may_hold) { return {must_hold ? 1.0 : 0.0, may_hold ? 1.0 : 0.0}; }
};

class Less final : public Comparison {
 public:
  using Comparison::Comparison;

 private:
  void apply(const double* a, const double* b, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = a[i] < b[i] ? 1.0 : 0.0;
  }

  Interval image(Interval a, Interval b) const override { return truth(a.upper < b.lower, a.lower < b.upper); }
};

class LessOrEqual final : public Comparison {
 public:
  using Comparison::Comparison;

 private:
  void apply(const double* a, const double* b, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = a[i] <= b[i] ? 1.0 : 0.0;
  }

  Interval image(Interval a, Interval b) const override { return truth(a.upper <= b.lower, a.lower <= b.upper); }
};

class Equal final : public Comparison {
 public:
  using Comparison::Comparison;

  /// Almost everywhere it is 0, whichever side one is on: nothing to cross.
  bool walls(Index, Branch branch, std::vector<Wall>&) const override { return branch == 0 || branch == 1; }

 private:
  void apply(const double* a, const double* b, double* v, Index count) const override {
    for (Index i = 0; i < count; ++i) v[i] = a[i] == b[i] ? 1.0 : 0.0;
  }

  Interval image(Interval a, Interval b) const override {
    const bool is_one_number = a.lower == a.upper && b.lower == b.upper;
    return truth(is_one_number && a.lower == b.lower, a.lower <= b.upper && b.lower <= a.upper);
  }
};

const Registered<Less> less("Less");
const Registered<LessOrEqual> less_or_equal("LessOrEqual");
const Registered<Equal> equal("Equal");

}  // namespace

}  // namespace fastexpr
