#pragma once

#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "graph/operator.hpp"

namespace fastexpr {

/// Where a function of one number turns from convex to concave, or back; a kink between two pieces that bends the other way
/// than both are two turns. Two suffice for what activations do.
struct Bends {
  static constexpr double never = std::numeric_limits<double>::infinity();

  bool are_known = false;
  bool starts_convex = true;  // left of all turns
  double turns[2] = {never, never};
  Interval domain{-never, never};

  static Bends unknown() { return {}; }
  static Bends convex(Interval domain = {-never, never}) { return {true, true, {never, never}, domain}; }
  static Bends concave(Interval domain = {-never, never}) { return {true, false, {never, never}, domain}; }
  static Bends convex_until(double turn, Interval domain = {-never, never}) { return {true, true, {turn, never}, domain}; }
  static Bends concave_until(double turn, Interval domain = {-never, never}) { return {true, false, {turn, never}, domain}; }
  /// Convex or concave between the two turns only.
  static Bends convex_between(double first, double second) { return {true, false, {first, second}, {-never, never}}; }
  static Bends concave_between(double first, double second) { return {true, true, {first, second}, {-never, never}}; }
  Bends negative() const { return {are_known, !starts_convex, {turns[0], turns[1]}, domain}; }
};

/// slope u + offset.
struct Line {
  double slope;
  double offset;
};

/// The chain rule of v_i = s(u_i), once for all functions s of one number:
///   tangent  V = diag(s') U     adjoint  u += s' v     curvature  diag(adjoint s'')
/// s' and s'' are computed once per point (`linearize`): local = [s' | s''], each (size, points).
/// Branch b of a function with kinks is what s is between kinks b - 1 and b.
class Elementwise : public Operator {
 public:
  explicit Elementwise(OperatorSpec spec);

  void value(const double* const* inputs, double* output, Index points, double* scratch) const final;
  Index local_size(int order) const final;
  void linearize(const Point& at, int order, double* local) const final;
  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const final;
  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const final;
  bool heeds_annihilation() const final { return true; }
  bool first_adjoint(const Point& at, const double* output_adjoint, double* adjoint, Index columns) const final;
  bool is_curved(const std::vector<bool>& depends) const final;
  int diagonal_input(const std::vector<bool>&) const final { return 0; }
  void curvature_diagonal(const Point& at, const double* output_adjoint, int input, double* q) const final;
  void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                 Index columns) const final;
  void bounds(const Interval* const* inputs, Interval* output) const final;
  Index branch_size() const final { return kinks().empty() ? 0 : size(); }
  void branches(const double* const* inputs, Branch* branches, Index points, double* scratch) const final;
  void value_on(const Branch* branches, const double* const* inputs, double* output, Index points, double* scratch) const final;
  bool walls(Index unit, Branch branch, std::vector<Wall>& walls) const final;
  std::vector<Link> links() const final;
  void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
             Index points) const final;
  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const final;
  void couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const final;

 protected:
  /// v = s(u).
  virtual void apply(const double* u, double* v, Index count) const = 0;
  /// first = s'(u), second = s''(u); v = s(u) is at hand; second is null where it is not wanted, or s'' is zero everywhere.
  virtual void derivatives(const double* u, const double* v, double* first, double* second, Index count) const = 0;
  /// False where s'' is zero wherever it exists (Relu): no curvature is stored or computed.
  virtual bool has_second_derivative() const { return true; }
  /// s, s' and s'' of one smooth piece.
  struct Piece {
    double value, first, second;
  };
  /// The branch of s at u, and that branch's function there; only where there are kinks.
  virtual Branch branch_of(double u) const {
    (void)u;
    return 0;
  }
  virtual Piece piece(double u, Branch branch) const {
    (void)u;
    (void)branch;
    return {};
  }
  /// Smallest and largest s over an interval, which may be unbounded; may_be_nan where some of it is outside of s's domain. The
  /// caller widens it for rounding.
  virtual Interval image(Interval u) const = 0;

  /// How s bends over this interval: what its lines are found from (operators/curve.hpp).
  virtual Bends bends(Interval u) const {
    (void)u;
    return Bends::unknown();
  }

  /// The image of an increasing function: s at both ends.
  Interval increasing_image(Interval u) const;
  /// The image of a function that rises and falls: s at both ends and at the turning points inside.
  Interval image_with_turns(Interval u, std::initializer_list<double> turning_points) const;

  /// An attribute that must be a finite number.
  static double finite_number(const OperatorSpec& spec, const std::string& attribute);

 private:
  Index units(const Point& at) const { return size() * at.points; }
};

}  // namespace fastexpr
