// y = W x + b along one axis of x; the other axes are carried along.
//   x (outer, k, inner) -> y (outer, h, inner);  W (h, k), or W (k, h) where `transposed`;  b (h), optional
// The weights are read in their own precision. With a tangent block U (outer, k, inner, points, columns): V = W U, and
// adjoints go back through W'. No curvature.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "graph/errors.hpp"
#include "linalg/products.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

struct LinearShape {
  Index outer = 1, k = 0, h = 0, inner = 1;
  Shape output;
};

LinearShape linear_shape(const OperatorSpec& spec) {
  if (spec.input_shapes.size() != 1)
    refuse("wrong number of inputs: got " + std::to_string(spec.input_shapes.size()) + ", expected 1");
  if (spec.constants.empty() || spec.constants.size() > 2) refuse("constants must be the weights and, if there is one, the bias");
  const Shape &x = spec.input_shapes[0], &W = spec.constants[0].shape;
  if (W.size() != 2 || spec.constants[0].precision == Precision::int64)
    throw ShapeError("weights must be a matrix of floats, got shape " + to_string(W));
  const Index axis = spec.attributes.integer("axis");
  if (axis < 0 || axis >= static_cast<Index>(x.size()))
    refuse("axis " + std::to_string(axis) + " is not one of input " + to_string(x));
  const bool is_transposed = spec.attributes.integer("transposed") != 0;
  LinearShape shape;
  shape.k = x[static_cast<std::size_t>(axis)];
  shape.h = W[is_transposed ? 1 : 0];
  shape.outer = size_of(Shape(x.begin(), x.begin() + axis));
  shape.inner = size_of(Shape(x.begin() + axis + 1, x.end()));
  shape.output = x;
  shape.output[static_cast<std::size_t>(axis)] = shape.h;
  const Index expected = W[is_transposed ? 0 : 1];
  if (shape.k != expected)
    throw ShapeError("weights " + to_string(W) + " do not fit axis " + std::to_string(axis) + " of input " + to_string(x) +
                     ": got " + std::to_string(shape.k) + ", expected " + std::to_string(expected));
  if (spec.constants.size() == 2 && spec.constants[1].shape != Shape{shape.h})
    throw ShapeError("the bias must have shape (" + std::to_string(shape.h) + ",), got " + to_string(spec.constants[1].shape));
  return shape;
}

class Linear final : public Operator {
 public:
  explicit Linear(const OperatorSpec& spec) : Linear(spec, linear_shape(spec)) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    if (!bias_.empty() && outer_ == 1 && inner_ * points > 1)
      return linalg::multiply_with_bias(weights_, is_transposed_, inputs[0], inner_ * points, bias_.data(), output);
    if (!bias_.empty()) start_from_bias(output, inner_ * points);
    product(weights_, inputs[0], inner_ * points, output, !bias_.empty());
  }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    product(weights_, tangents[0], inner_ * at.points * columns, output_tangent, false);
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    transposed_product(output_adjoint, inner_ * at.points * columns, adjoints[0], true);
  }
  bool first_adjoint(const Point& at, const double* output_adjoint, double* adjoint, Index columns) const override {
    transposed_product(output_adjoint, inner_ * at.points * columns, adjoint, false);
    return true;
  }

  bool identity_tangent(const Point& at, double* output_tangent) const override {
    if (outer_ != 1 || inner_ != 1) return false;
    if (output_tangent == nullptr) return true;
    if (weights_.precision == Precision::float32)
      copy_weights(static_cast<const float*>(weights_.data), at.points, output_tangent);
    else
      copy_weights(static_cast<const double*>(weights_.data), at.points, output_tangent);
    return true;
  }

  bool identity_adjoint(const Point& at, double* adjoint) const override {
    if (outer_ != 1 || inner_ != 1) return false;
    if (weights_.precision == Precision::float32)
      copy_transposed(static_cast<const float*>(weights_.data), at.points, adjoint);
    else
      copy_transposed(static_cast<const double*>(weights_.data), at.points, adjoint);
    return true;
  }

  bool is_affine(const std::vector<bool>&) const override { return true; }
  Index work() const override { return outer_ * h_ * k_ * inner_; }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index o = 0; o < outer_; ++o)
      for (Index i = 0; i < h_; ++i)
        for (Index c = 0; c < inner_; ++c) output[(o * h_ + i) * inner_ + c] = row_bounds(inputs[0] + o * k_ * inner_ + c, i);
  }

  // W c + b +- |W| r with centres c and radii r: two products for all boxes. Rounding is put into the radii.
  void bounds_of_boxes(const IntervalBlock* inputs, const IntervalBlock& output, Index points) const override {
    const Index count = input_size(0) * points, width = inner_ * points;
    const double relative = static_cast<double>(k_ + 12) * std::numeric_limits<double>::epsilon();
    const auto numbers = std::make_unique_for_overwrite<double[]>(static_cast<std::size_t>(2 * count + size() * points));
    double *center = numbers.get(), *radius = center + count, *reach = radius + count;
    for (Index i = 0; i < count; ++i) {
      const double low = inputs[0].lower[i], high = inputs[0].upper[i];
      center[i] = 0.5 * low + 0.5 * high;
      radius[i] = std::max(high - center[i], center[i] - low) + relative * std::max(std::abs(low), std::abs(high));
    }
    const double* const centers[] = {center};
    value(centers, output.lower, points, nullptr);
    if (weights_.precision == Precision::float32)
      magnitude_product<float>(radius, width, reach);
    else
      magnitude_product<double>(radius, width, reach);
    const double underflow = static_cast<double>(k_ + 2) * std::numeric_limits<double>::denorm_min();
    bool are_finite = true;
    for (Index unit = 0; unit < size(); ++unit) {
      const Index row = unit / inner_ % h_;
      const double offset = bias_.empty() ? 0.0 : relative * std::abs(bias_[static_cast<std::size_t>(row)]);
      for (Index i = unit * points; i < (unit + 1) * points; ++i) {
        const double middle = output.lower[i];
        double own = reach[i] + offset;
        if (own > 0 || !is_zero(radius + (unit / (h_ * inner_) * k_ * inner_ + unit % inner_) * points + i % points, row, width))
          own += underflow;
        output.lower[i] = middle - own, output.upper[i] = middle + own;
        are_finite = are_finite && std::isfinite(output.lower[i]) && std::isfinite(output.upper[i]);
      }
    }
    if (!are_finite) Operator::bounds_of_boxes(inputs, output, points);
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index o = 0; o < outer_; ++o)
      for (Index c = 0; c < inner_; ++c) {
        const DependenceSets::Id* column = inputs[0] + o * k_ * inner_ + c;
        const std::vector<Index> runs = runs_of(column);
        for (Index i = 0; i < h_; ++i) output[(o * h_ + i) * inner_ + c] = row_dependence(sets, column, runs, i);
      }
  }

 private:
  Linear(const OperatorSpec& spec, const LinearShape& shape)
      : Operator(spec, shape.output), outer_(shape.outer), k_(shape.k), h_(shape.h), inner_(shape.inner) {
    const Tensor& W = spec.constants[0];
    weights_ = {W.data, W.precision, W.shape[0], W.shape[1]};
    is_transposed_ = spec.attributes.integer("transposed") != 0;
    if (spec.constants.size() == 2) bias_ = spec.constants[1].widened();
  }

  double weight(Index row, Index column) const {
    const Index position = is_transposed_ ? column * h_ + row : row * k_ + column;
    return weights_.precision == Precision::float32 ? static_cast<const float*>(weights_.data)[position]
                                                    : static_cast<const double*>(weights_.data)[position];
  }

  // out (h, points, k): row i of W for every point.
  template <class Number>
  void copy_weights(const Number* W, Index points, double* out) const {
    if (!is_transposed_ && points == 1) {
      std::copy(W, W + h_ * k_, out);
      return;
    }
    for (Index i = 0; i < h_; ++i) {
      double* row = out + i * points * k_;
      if (is_transposed_) {
        for (Index j = 0; j < k_; ++j) row[j] = W[j * h_ + i];
      } else {
        for (Index j = 0; j < k_; ++j) row[j] = W[i * k_ + j];
      }
      for (Index p = 1; p < points; ++p) std::copy_n(row, k_, row + p * k_);
    }
  }

  // out (k, points, h): column j of W for every point.
  template <class Number>
  void copy_transposed(const Number* W, Index points, double* out) const {
    for (Index j = 0; j < k_; ++j) {
      double* row = out + j * points * h_;
      for (Index i = 0; i < h_; ++i) row[i] = is_transposed_ ? W[j * h_ + i] : W[i * k_ + j];
      for (Index p = 1; p < points; p *= 2) std::copy_n(row, std::min(p, points - p) * h_, row + p * h_);
    }
  }

  // y (outer, h, width) = W x, or += where `accumulate`; x (outer, k, width).
  void product(const MatrixView& W, const double* x, Index width, double* y, bool accumulate) const {
    if (width == 1 && outer_ > 1) return linalg::multiply_right(x, outer_, W, !is_transposed_, y, accumulate);
    for (Index o = 0; o < outer_; ++o)
      linalg::multiply(W, is_transposed_, x + o * k_ * width, width, y + o * h_ * width, accumulate);
  }

  // x (outer, k, width) = W' y, or += where `accumulate`; y (outer, h, width).
  void transposed_product(const double* y, Index width, double* x, bool accumulate) const {
    if (width == 1 && outer_ > 1) return linalg::multiply_right(y, outer_, weights_, is_transposed_, x, accumulate);
    for (Index o = 0; o < outer_; ++o)
      linalg::multiply(weights_, !is_transposed_, y + o * h_ * width, width, x + o * k_ * width, accumulate);
  }

  void start_from_bias(double* y, Index width) const {
    for (Index o = 0; o < outer_; ++o, y += h_ * width) {
      if (width == 1) {
        std::copy(bias_.begin(), bias_.end(), y);
      } else {
        for (Index i = 0; i < h_; ++i) std::fill_n(y + i * width, width, bias_[static_cast<std::size_t>(i)]);
      }
    }
  }

  Interval row_bounds(const Interval* column, Index row) const {
    interval::WeightedSum sum(bias_.empty() ? 0 : bias_[static_cast<std::size_t>(row)]);
    for (Index j = 0; j < k_; ++j) sum.add(weight(row, j), column[j * inner_]);
    return sum.enclosure();
  }

  // y = |W| x.
  template <class Number>
  void magnitude_product(const double* x, Index width, double* y) const {
    std::vector<Number> sizes(static_cast<std::size_t>(h_ * k_));
    for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = std::abs(static_cast<const Number*>(weights_.data)[i]);
    product({sizes.data(), weights_.precision, weights_.rows, weights_.columns}, x, width, y, false);
  }

  // Whether a sum of |w| x is 0 because all of its terms are, and not by underflow.
  bool is_zero(const double* x, Index row, Index stride) const {
    for (Index j = 0; j < k_; ++j)
      if (weight(row, j) != 0 && x[j * stride] != 0) return false;
    return true;
  }

  // Where runs of equal sets begin, and k.
  std::vector<Index> runs_of(const DependenceSets::Id* column) const {
    std::vector<Index> runs{0};
    for (Index j = 1; j < k_; ++j)
      if (column[j * inner_] != column[(j - 1) * inner_]) runs.push_back(j);
    runs.push_back(k_);
    return runs;
  }

  // A zero weight cuts the dependence; a run of equal sets (dense layers) counts once, by its first weight that is not 0.
  DependenceSets::Id row_dependence(DependenceSets& sets, const DependenceSets::Id* column, const std::vector<Index>& runs,
                                    Index row) const {
    const auto is_cut = [&](std::size_t run) {
      Index j = runs[run];
      while (j < runs[run + 1] && weight(row, j) == 0) ++j;
      return j == runs[run + 1];
    };
    if (runs.size() == 2) return is_cut(0) ? DependenceSets::empty : sets.unite(column[0], DependenceSets::empty);
    std::vector<DependenceSets::Id> ids;
    for (std::size_t run = 0; run + 1 < runs.size(); ++run)
      if (!is_cut(run)) ids.push_back(column[runs[run] * inner_]);
    return sets.unite(std::move(ids));
  }

  Index outer_, k_, h_, inner_;
  MatrixView weights_{};
  bool is_transposed_ = false;
  std::vector<double> bias_;
};

const Registered<Linear> linear("Linear");

}  // namespace

}  // namespace fastexpr
