#pragma once

#include "graph/operator.hpp"

namespace fastexpr {

/// a u_a + b u_b + offset.
struct Plane {
  double a, b, offset;
};

/// Planes below and above a b: those through the middle of the box (McCormick's two of each kind, averaged, so that what cancels
/// elsewhere can).
bool product_planes(Interval a, Interval b, Plane& below, Plane& above);
/// A plane above, and one below, max(a, b).
Plane largest_above(Interval a, Interval b);
Plane largest_below(Interval a, Interval b);

/// For every unit of the output, the unit of an input of this shape that it reads. Units stand together in stretches that read
/// one unit, or neighbours: only the first unit of each stretch is kept.
class UnitMap {
 public:
  UnitMap() = default;
  UnitMap(const Shape& input, const Shape& output);

  Index operator()(Index i) const {
    if (firsts_.empty()) return i;
    if (firsts_.size() == 1) return firsts_[0] + i * step_;
    const Index stretch = i / length_;
    return first(stretch) + (i - stretch * length_) * step_;
  }
  /// What the first unit of a stretch reads.
  Index first(Index stretch) const { return firsts_.empty() ? 0 : firsts_[static_cast<std::size_t>(stretch)]; }
  /// Units of a stretch, and whether they read neighbours (1) or one unit (0).
  Index length() const { return length_; }
  Index step() const { return step_; }

 private:
  std::vector<Index> firsts_;  // empty: each unit reads itself
  Index length_ = 1, step_ = 1;
};

/// Operator::batched of operators whose inputs are broadcast: those that have points get dimensions of length 1 in between.
OperatorSpec batched_by_broadcasting(const Operator& op, Index length, const std::vector<bool>& is_batched);

/// v = phi(a, b) unit by unit, with NumPy broadcasting between the shapes of a and b. Unit i of the output reads unit
/// unit_of(0, i) of a and unit_of(1, i) of b.
class Broadcast : public Operator {
 public:
  Index scratch_size() const override { return (is_mapped(0) ? size() : 0) + (is_mapped(1) ? size() : 0); }
  void value(const double* const* inputs, double* output, Index points, double* scratch) const final;
  void bounds(const Interval* const* inputs, Interval* output) const final;
  std::vector<Link> links() const final;
  void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
             Index points) const final;
  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override;
  bool heeds_annihilation() const override { return true; }
  Index branch_size() const final { return kinks().empty() ? 0 : size(); }
  void branches(const double* const* inputs, Branch* branches, Index points, double* scratch) const final;
  void value_on(const Branch* branches, const double* const* inputs, double* output, Index points, double* scratch) const final;
  bool walls(Index unit, Branch branch, std::vector<Wall>& walls) const override;
  OperatorSpec batched(Index length, const std::vector<bool>& is_batched) const final {
    return batched_by_broadcasting(*this, length, is_batched);
  }

 protected:
  explicit Broadcast(const OperatorSpec& spec);

  /// v = phi(a, b).
  virtual void apply(const double* a, const double* b, double* v, Index count) const = 0;
  /// phi and its derivatives on one branch.
  struct Piece {
    double value, a, b, aa, ab, bb;
  };
  /// The branch, 0 or 1, that phi is on, and that branch's function; only where there are kinks.
  virtual Branch branch_of(double a, double b) const {
    (void)a;
    (void)b;
    return 0;
  }
  virtual Piece piece(double a, double b, Branch branch) const {
    (void)a;
    (void)b;
    (void)branch;
    return {};
  }
  /// The branch where a > b, or a > 0.
  virtual Branch branch_above() const { return 0; }
  /// phi over a box. The caller widens it for rounding.
  virtual Interval image(Interval a, Interval b) const = 0;

  /// Whether there are planes below and above phi.
  virtual bool has_planes() const { return false; }
  /// Planes below and above phi over a box of finite numbers, without a margin for rounding; false where there are none over
  /// this one.
  virtual bool planes(Interval a, Interval b, Plane& below, Plane& above) const {
    (void)a;
    (void)b;
    (void)below;
    (void)above;
    return false;
  }

  bool is_mapped(std::size_t k) const { return is_mapped_[k]; }
  Index unit_of(std::size_t k, Index i) const { return maps_[k](i); }

  /// Rows (a unit at a point) of the output that stand together, where each input's row goes on by one, too, or stays. Number 2
  /// stands for the output.
  struct Run {
    Index rows[3];   // the first ones
    Index steps[3];  // 1 or 0
    Index length;
  };

  /// body(a, b, first row of the output, how many) with a and b as these rows see them: the inputs themselves, or spread out in
  /// scratch.
  template <class Body>
  void for_each_part(const double* const* inputs, double* scratch, Index points, Body body) const;

  template <class Body>
  void for_each_run(Index points, Body body) const;

  /// out = factor(0, row) A + factor(1, row) B in the output's rows; a null A or B is zero. `is_plain`: nothing needs to be
  /// annihilated.
  template <class Factor>
  void combine(bool is_plain, Factor factor, const double* A, const double* B, double* out, Index points, Index columns) const;

  /// to += factor(row) from, where `to` has the rows of input k and `from` those of input l (2: of the output).
  template <class Factor>
  void add_rows(bool is_plain, Factor factor, std::size_t l, const double* from, std::size_t k, double* to, Index points,
                Index columns) const;

 private:
  const double* spread(std::size_t k, const double* input, double* scratch, Index points) const;

  UnitMap maps_[3];
  bool is_mapped_[3] = {};  // the input has another size
};

/// v = a + sign b: the derivatives are known without looking at a and b.
class LinearBroadcast : public Broadcast {
 public:
  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const final;
  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const final;
  bool is_affine(const std::vector<bool>&) const final { return true; }

 protected:
  LinearBroadcast(const OperatorSpec& spec, double sign) : Broadcast(spec), sign_(sign) {}

  double sign() const { return sign_; }

 private:
  double sign_;
};

/// phi with partial derivatives that change from point to point. They are computed once per point:
///   local      [phi_a, phi_b | those of phi_aa, phi_ab, phi_bb that are not zero everywhere], each (size, points)
///   tangent    phi_a A + phi_b B
///   curvature  S_a = adjoint (phi_aa A + phi_ab B),  S_b = adjoint (phi_ab A + phi_bb B)
/// What belongs to an input that does not depend on x may be NaN (log of a negative base): it is never read.
class CurvedBroadcast : public Broadcast {
 public:
  Index local_size(int order) const final;
  void linearize(const Point& at, int order, double* local) const final;
  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const final;
  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const final;
  bool is_curved(const std::vector<bool>& depends) const final;
  int diagonal_input(const std::vector<bool>& depends) const final;
  void curvature_diagonal(const Point& at, const double* output_adjoint, int input, double* q) const final;
  void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                 Index columns) const final;
  void couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const final;

 protected:
  /// Which second derivatives are not zero everywhere.
  struct Second {
    bool aa, ab, bb;
  };
  /// Where to put the derivatives, each of `count` numbers. The second ones are null where they are zero or not wanted.
  struct Partials {
    double* a;
    double* b;
    double* aa;
    double* ab;
    double* bb;
  };

  CurvedBroadcast(const OperatorSpec& spec, Second second) : Broadcast(spec), second_(second) {}

  virtual void derivatives(const double* a, const double* b, const double* v, const Partials& partials, Index count) const = 0;

 private:
  Partials partials(double* local, Index points, int order) const;
  bool is_plain(const Point& at, int order) const;

  Second second_;
};

}  // namespace fastexpr
