// Concat: the inputs joined along `axis`; every other dimension agrees.
//   v = [u_1, ..., u_K]: for each index of the dimensions before `axis`, a contiguous piece of every input in turn

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Concat : public Operator {
 public:
  explicit Concat(const OperatorSpec& spec) : Operator(spec, joined_shape(spec)) {
    const auto axis = spec.attributes.integer("axis");
    const Shape& first = spec.input_shapes[0];
    n_pieces_ = size_of(Shape(first.begin(), first.begin() + axis));
    for (const Shape& input : spec.input_shapes) piece_sizes_.push_back(size_of(Shape(input.begin() + axis, input.end())));
  }

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    for_each_piece([&](std::size_t k, Index from, Index to, Index length) {
      rows::copy(inputs[k] + from * points, output + to * points, length * points);
    });
  }

  bool heeds_annihilation() const override { return true; }  // numbers are copied and added up only

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    const Index width = at.points * columns;
    for_each_piece([&](std::size_t k, Index from, Index to, Index length) {
      if (tangents[k] == nullptr) return rows::fill_zero(output_tangent + to * width, length * width);
      rows::copy(tangents[k] + from * width, output_tangent + to * width, length * width);
    });
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    const Index width = at.points * columns;
    for_each_piece([&](std::size_t k, Index from, Index to, Index length) {
      if (adjoints[k] != nullptr) rows::add(output_adjoint + to * width, adjoints[k] + from * width, length * width);
    });
  }

  bool is_affine(const std::vector<bool>&) const override { return true; }

  void bounds(const Interval* const* inputs, Interval* output) const override { join(inputs, output); }

  bool keeps_zeros() const override { return true; }

  bool takes_infinities() const override { return true; }

  void dependence(DependenceSets&, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    join(inputs, output);
  }

 private:
  /// body(k, first unit in input k, first unit in the output, number of units).
  template <class Body>
  void for_each_piece(Body body) const {
    Index to = 0;
    for (Index piece = 0; piece < n_pieces_; ++piece) {
      for (std::size_t k = 0; k < piece_sizes_.size(); ++k) {
        body(k, piece * piece_sizes_[k], to, piece_sizes_[k]);
        to += piece_sizes_[k];
      }
    }
  }

  template <class Entry>
  void join(const Entry* const* inputs, Entry* output) const {
    for_each_piece([&](std::size_t k, Index from, Index to, Index length) {
      std::copy(inputs[k] + from, inputs[k] + from + length, output + to);
    });
  }

  static Shape joined_shape(const OperatorSpec& spec) {
    if (spec.input_shapes.empty()) refuse("got no inputs, expected at least one.");
    Shape joined = spec.input_shapes[0];
    const Index axis = spec.attributes.integer("axis");
    const Index rank = static_cast<Index>(joined.size());
    if (axis < 0 || axis >= rank)
      refuse("axis is out of range: got " + std::to_string(axis) + ", expected 0 to " + std::to_string(rank - 1) +
             " for inputs of shape " + to_string(joined) + ".");
    const auto along = static_cast<std::size_t>(axis);
    joined[along] = 0;
    for (const Shape& input : spec.input_shapes) {
      Shape others = input;
      if (others.size() == joined.size()) others[along] = joined[along];
      if (others != joined)
        refuse("inputs do not fit together: got shapes " + to_string(spec.input_shapes[0]) + " and " + to_string(input) +
               ", expected equal ones except for axis " + std::to_string(axis) + ".");
      joined[along] += input[along];
    }
    return joined;
  }

  Index n_pieces_;
  std::vector<Index> piece_sizes_;
};

const Registered<Concat> concat("Concat");

}  // namespace

}  // namespace fastexpr
