#pragma once

#include <vector>

#include "passes/workspace.hpp"

namespace fastexpr {

/// Linear bounds on several boxes at once (CROWN, Zhang et al. 2018; DeepPoly, Singh et al. 2019): every unit lies between two
/// affine functions of x, which are found backwards, layer after layer, and cut with intervals.
///
/// All is said in deviations from a reference, the values at the box's centre. What is linear is its own relaxation then, and its
/// adjoint carries coefficients back as it does for derivatives. At other operators, positive coefficients take one line,
/// negative ones the other, and what is left over is added up. An upper bound of z is minus a lower bound of -z.
///
/// From a unit back to the first operators that are not linear, coefficients are the same for all boxes: they are found once, at
/// one point ("shared"), and spread there.
///
/// Rounding: a reference may be any number, so what it is computed with does not matter. In a linear stretch, references on the
/// way forward and coefficients on the way back are off by gamma times the magnitudes that are summed up there (`mark`); that is
/// taken from the lines of the operators in which the stretch ends, times the coefficients that meet them.
class LinearBounds {
 public:
  LinearBounds(const Graph& graph, const Layout& layout, Index points);

  Index points() const { return points_; }

  /// Bounds of all nodes for the boxes lower, upper (points, n). `every_node`: linear bounds also of units that no operator asks
  /// for, because it is linear over all of their interval.
  void run(const double* lower, const double* upper, bool every_node);

  /// After run: bounds of a node's units, (size, points); may_be_nan as interval arithmetic has it.
  const double* lower(NodeId id) const { return lower_.data() + layout_.value_offset(id) * points_; }
  const double* upper(NodeId id) const { return upper_.data() + layout_.value_offset(id) * points_; }

  /// After run: linear bounds of an output, too.
  void tighten_output(NodeId id);

  /// An affine function below every unit of a node: offsets (points, size) + slopes (n, points, size) . (x - center). Valid for
  /// finite boxes; offsets are NaN or below -1e150 where there is none. Until the next call.
  struct Below {
    const double* slopes;
    const double* offsets;
  };
  Below below(NodeId id);
  const double* center() const { return values_.value(0); }  // (n, points)
  const double* radius() const { return radius_.data(); }    // (n, points)

 private:
  struct Nonlinear {
    std::vector<Link> links;
    bool is_unitwise = false;  // unit i reads unit i of the only input
    std::size_t first_slope = 0, first_offset = 0;
  };
  /// Of the operators that read a node: where they are linear on either side, as long as all are of that kind.
  struct Kinks {
    bool are_all = true;
    std::vector<double> at;
  };
  struct LineNumbers {
    std::vector<double> slopes, offsets;
  };
  /// Coefficients of one unit, (points, columns): `stride` is 0 where all boxes have the same.
  struct Rows {
    const double* data;
    Index stride;
  };
  /// Units of one node that are bounded together: columns of the blocks, lower bounds first.
  struct Target {
    NodeId node = 0;
    std::vector<Index> units;
    bool has_upper = true;
    Index columns() const { return static_cast<Index>(units.size()) * (has_upper ? 2 : 1); }
  };

  void prepare(NodeId id, std::size_t& n_slopes, std::size_t& n_offsets);
  void start(const double* lower, const double* upper);
  void visit_linear(NodeId id);
  void visit_nonlinear(NodeId id);
  void shift_lines(NodeId id);
  void shift_unit_lines(NodeId id);
  std::vector<Index> undecided_units(NodeId id, bool every_unit) const;
  void tighten(NodeId id, bool every_unit);
  void bound(NodeId id, const std::vector<Index>& units);
  void go_back();
  void linear_back(NodeId id, Workspace& workspace);
  void relax(NodeId id);
  Rows coefficients(NodeId id, Index unit);
  void arrive();
  void cut();

  Lines lines_of(NodeId id, LineNumbers& numbers) const;
  const IntervalBlock* input_blocks(NodeId id);
  IntervalBlock block(NodeId id) { return {lower_.data() + at(id), upper_.data() + at(id)}; }
  Index at(NodeId id) const { return layout_.value_offset(id) * points_; }
  double* mark_of(NodeId id) { return mark_.data() + layout_.value_offset(id); }
  bool is_linear(NodeId id) const { return is_linear_[static_cast<std::size_t>(id)]; }

  const Graph& graph_;
  const Layout& layout_;
  Index points_;
  Workspace values_;  // references, and blocks of coefficients
  Workspace shared_;  // the same at one point
  std::vector<bool> is_linear_, is_tight_;
  std::vector<Nonlinear> nonlinear_;
  std::vector<Kinks> kinks_;
  std::vector<double> lower_, upper_, radius_;
  std::vector<double> mark_;   // of every unit: how large it, its reference and the sums it is made from are in any of the boxes
  std::vector<double> gamma_;  // of every node: relative rounding of the linear stretch that ends in it
  LineNumbers below_, above_;
  Target target_;
  std::vector<double> underflow_;               // of every box: what products may lose that are smaller than any double
  std::vector<double> rows_, offsets_, reach_;  // (points, columns) each
  std::vector<IntervalBlock> blocks_;
  std::vector<double> marks_;
  double n_terms_ = 0;  // of the longest sum of offsets
};

}  // namespace fastexpr
