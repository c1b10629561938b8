#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/attributes.hpp"
#include "graph/dependence.hpp"
#include "graph/tensor.hpp"

// The contract: the mathematics of one node, v = phi(u_1, ..., u_K), and nothing else. An operator is immutable, knows only
// its own shapes, and never sees the graph. Numbers arrive as views into the workspace:
//
//   value block    (size, points)            unit-major: unit i of every point stands together
//   tangent block  (size, points, columns)   one column per seed direction
//   adjoint block  (size, points, columns)   one column per function that is differentiated
//
// all contiguous. An elementwise operator may treat (size, points) as one long list of units. `points` is 1 for a single x
// and larger for a batch; a weight matrix applied to a block is one product whatever points and columns are.
// Evaluation never throws, allocates, or keeps state.
//
// The contract has three parts. Mathematics: what the operator computes; most operators write this alone, and most of it through
// a family (elementwise.hpp, broadcast.hpp, grouped.hpp) that does the chain rule once. Structure: what its output depends on,
// and how. Speed: what it keeps between calls, and shortcuts. What is not pure has a default that is right for any operator.

namespace fastexpr {

struct Interval {
  double lower;
  double upper;
};

/// Which of its smooth pieces a kinked unit is on: a small number whose meaning is the operator's (Relu: 0 or 1).
using Branch = std::int32_t;

/// A side of the cell of a kinked unit: sign * (u - w - offset) >= 0 on its branch, where u and w are units of inputs. Beyond it
/// is another branch.
struct Wall {
  int input;         // of u
  Index unit;        // u
  int other_input;   // of w; -1: there is no w
  Index other_unit;  // w
  double offset;
  double sign;  // 1 or -1
  Branch to;
};

/// Lower and upper ends of a node's units over several boxes, each (size, points): point p is box p.
struct IntervalBlock {
  double* lower;
  double* upper;
};

/// One unit that the lines of an output unit read.
struct Link {
  Index unit;  // of the output
  int input;   // which
  Index from;  // unit of that input
};

/// For every unit and box, slopes . (what its links read) + offset, an affine function of the inputs.
struct Lines {
  double* slopes;   // (links, points)
  double* offsets;  // (size, points)
  Index links;
};

/// Where an operator is differentiated.
struct Point {
  const double* const* inputs;  // [k]: (input size k, points)
  const double* output;         // (size, points)
  const double* local;          // (local_size(order), points): what `linearize` stored
  double* scratch;              // scratch_size() * points, for this call only
  Index points;
  /// A factor that is exactly 0 annihilates the other, even where that is infinite or NaN: asked for where derivatives are not
  /// all finite (passes/annihilation.hpp), and not before, since it costs a look at every number.
  bool annihilates = false;
  /// (branch_size(), points): the units' branches where they are given, whatever the inputs say. Only `linearize` looks at them.
  const Branch* branches = nullptr;
};

/// What an operator is made from: its name, the shapes it is applied to, settings, constants. Also what is saved of it.
struct OperatorSpec {
  std::string name;
  std::vector<Shape> input_shapes;
  Attributes attributes;
  std::vector<Tensor> constants;
};

class Operator {
 public:
  Operator(OperatorSpec spec, Shape shape);
  virtual ~Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  const OperatorSpec& spec() const { return spec_; }
  const std::string& name() const { return spec_.name; }
  const Shape& shape() const { return shape_; }  // of the output
  Index size() const { return size_; }           // of the output
  Index input_size(std::size_t k) const { return input_sizes_[k]; }
  std::size_t n_inputs() const { return input_sizes_.size(); }

  // ---- mathematics

  /// output = phi(inputs).
  virtual void value(const double* const* inputs, double* output, Index points, double* scratch) const = 0;

  /// output_tangent = sum_k phi'_k tangents[k]; a null tangents[k] is zero (an input that does not depend on x).
  virtual void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const = 0;

  /// adjoints[k] += phi'_k' output_adjoint; a null adjoints[k] is not wanted.
  virtual void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const = 0;

  /// S[k] (input size k, points, columns) = row k of (sum_i output_adjoint_i grad^2 phi_i) T, overwritten.
  /// output_adjoint is (size, points); null tangents are zero; a null S[k] is not wanted. Only where is_curved.
  virtual void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                         Index columns) const;
  /// The same where there is a diagonal_input: q (size, points) = output_adjoint * phi'' of that input; local is of order 2.
  virtual void curvature_diagonal(const Point& at, const double* output_adjoint, int input, double* q) const;

  /// Enclosure of the output for inputs in the given intervals (inputs[k]: input size k; output: size).
  virtual void bounds(const Interval* const* inputs, Interval* output) const = 0;

  /// What the lines of each unit read, ascending by unit; empty where there are none and bounds are all that is known.
  virtual std::vector<Link> links() const { return {}; }
  /// Lines below and above every unit for inputs in these boxes, in exact arithmetic: with a margin for the rounding of their own
  /// numbers. `output` is what bounds_of_boxes gives, and is filled here, too. Where there is no line: slopes 0 and the bound, or
  /// where that is infinite the largest double of its sign.
  virtual void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
                     Index points) const;

  /// Arguments at which the derivative or the value jumps (0 for Relu) of operators that work unit by unit. With several inputs
  /// the argument is the difference of the first two (Max, Less), or the first one.
  virtual std::vector<double> kinks() const { return {}; }
  virtual bool has_kink_in_difference() const { return n_inputs() > 1; }

  /// Kinked units, each of which has a branch: 0, or all units of the output. On given branches the operator is smooth, and
  /// defined beyond its walls, too: there, an inactive Relu is 0 for u > 0. Branches agree at their wall, unless is_step().
  virtual Index branch_size() const { return 0; }
  /// The branches (branch_size(), points) that the inputs are on, by which derivatives at a wall are the usual ones.
  virtual void branches(const double* const* inputs, Branch* branches, Index points, double* scratch) const;
  /// output = phi(inputs) on given branches.
  virtual void value_on(const Branch* branches, const double* const* inputs, double* output, Index points, double* scratch) const;
  /// Appends the walls of a unit on this branch; false where there is no such branch.
  virtual bool walls(Index unit, Branch branch, std::vector<Wall>& walls) const;

  /// Whether the value is constant piece by piece: comparisons, rounding, trees. A derivative does not say where it moves.
  virtual bool is_step() const { return false; }
  /// What a user should know of the derivatives, behind the words "The network"; empty where they are what one expects.
  virtual std::string note() const { return {}; }

  // ---- structure

  /// Whether the second derivative can be nonzero, given which inputs depend on x.
  virtual bool is_curved(const std::vector<bool>& depends) const {
    (void)depends;
    return false;
  }
  /// The one input that is curved unit by unit, output unit i with input unit i, so that the pass can update H by T' diag(q) T;
  /// -1 where the curvature is of another kind.
  virtual int diagonal_input(const std::vector<bool>& depends) const {
    (void)depends;
    return -1;
  }
  /// Whether tangent() is the same at every point, given which inputs depend on x.
  virtual bool is_affine(const std::vector<bool>& depends) const {
    (void)depends;
    return false;
  }

  /// Which components of x each output unit depends on. Default: on all that any input unit does.
  virtual void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const;
  /// Which components of x each output unit's value depends on, with or without a derivative: conditions count, too.
  virtual void influence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const {
    dependence(sets, inputs, output);
  }
  /// Appends the pairs that second derivatives couple. Default: everything with everything. Only where is_curved.
  virtual void couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const;
  /// Whether dependence() takes and gives DependenceSets::zero, what a constant 0 depends on: 0 u does not depend on u.
  virtual bool keeps_zeros() const { return false; }

  /// The output is the input's numbers in the same order (Reshape): no work, the buffers are shared.
  virtual bool is_view() const { return false; }
  /// Whether it only moves, chooses or compares numbers, so that a constant input may have infinite ones.
  virtual bool takes_infinities() const { return false; }
  /// What the operator is made from when it works on `length` points at once, one more dimension in front of its output. The
  /// input shapes say how it wants its inputs, of which those with is_batched have that dimension. Default: all have it, and an
  /// attribute axis moves by one.
  virtual OperatorSpec batched(Index length, const std::vector<bool>& is_batched) const;

  // ---- speed

  /// bounds() of several boxes at once. Default: box by box.
  virtual void bounds_of_boxes(const IntervalBlock* inputs, const IntervalBlock& output, Index points) const;

  /// Doubles per point for a call's own use.
  virtual Index scratch_size() const { return 0; }

  /// Doubles per point that derivatives of this order (1 or 2) want stored once per point by `linearize`.
  virtual Index local_size(int order) const {
    (void)order;
    return 0;
  }
  /// Fills local (local_size(order), points); at.local is null here.
  virtual void linearize(const Point& at, int order, double* local) const {
    (void)at;
    (void)order;
    (void)local;
  }

  /// Sets the adjoint of the only input instead of adding to it. False where there is no such shortcut: nothing is written.
  virtual bool first_adjoint(const Point& at, const double* output_adjoint, double* adjoint, Index columns) const {
    (void)at;
    (void)output_adjoint;
    (void)adjoint;
    (void)columns;
    return false;
  }
  /// The adjoint of the only input where this node's own is the identity, columns == size(), written without a product. False where
  /// there is no such shortcut: nothing is written.
  virtual bool identity_adjoint(const Point& at, double* adjoint) const {
    (void)at;
    (void)adjoint;
    return false;
  }
  /// tangent() of the identity, tangents[0] = I and columns == input size 0, written down without a product. False where there is
  /// no such shortcut; a null output_tangent only asks.
  virtual bool identity_tangent(const Point& at, double* output_tangent) const {
    (void)at;
    (void)output_tangent;
    return false;
  }
  bool has_identity_tangent() const { return identity_tangent({}, nullptr); }

  /// Whether tangent(), adjoint() and curvature() take tangents and adjoints that are not finite and heed at.annihilates. Others
  /// are given finite ones only, and owe that a number of 0 takes no part where their own derivatives are not finite.
  virtual bool heeds_annihilation() const { return false; }

  /// Multiplications of tangent() for one column at one point, to weigh plans against each other.
  virtual Index work() const { return size(); }

 protected:
  static void expect_inputs(const OperatorSpec& spec, std::size_t count);

 private:
  OperatorSpec spec_;
  Shape shape_;
  Index size_;
  std::vector<Index> input_sizes_;
};

using OperatorPointer = std::shared_ptr<const Operator>;

}  // namespace fastexpr
