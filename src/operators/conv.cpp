// Conv: a convolution with constant weights along the axes behind `axis`, that of the channels; ConvTranspose where `transposed`.
//   v[m, s] = b[m] + sum over c, t of W[m, c, t] u[g(m) c, s * stride + t * dilation - pad]        (transposed: u and v change
//   places) u (outer, channels, spatial..) -> v (outer, channels', spatial'..) constants: W (channels', channels / group,
//   kernel..), transposed (channels, channels' / group, kernel..); b (channels'), optional attributes: axis, group, transposed;
//   strides, dilations, and pads (in front of every spatial axis, then behind); pads may be negative
// The weights are read in their own precision. The adjoint of one is the other. No curvature.

#include <algorithm>
#include <utility>

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "operators/convolution.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

constexpr Index largest_setting = Index{1} << 20;  // no product of a length and a setting overflows

struct ConvShape {
  bool is_transposed;
  Index outer, groups;
  WindowShape window;
  MatrixView weights;
  Shape output;
};

/// A list attribute, one entry per spatial axis and end.
Shape setting(const OperatorSpec& spec, const std::string& name, std::size_t count, Index least) {
  Shape numbers = spec.attributes.integers(name);
  if (numbers.size() != count)
    throw ShapeError(name + " has " + std::to_string(numbers.size()) + " entries, expected " + std::to_string(count));
  for (const Index number : numbers)
    if (number < least || number > largest_setting)
      throw GraphError(name + " has an entry " + std::to_string(number) + ", expected " + std::to_string(least) + " to " +
                       std::to_string(largest_setting));
  return numbers;
}

/// The lengths of the other side.
Shape spatial_output(const WindowShape& window, const Shape& input, const Shape& pads, bool is_transposed) {
  Shape output;
  for (std::size_t axis = 0; axis < input.size(); ++axis) {
    const Index reach = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
    const Index both = pads[axis] + pads[axis + input.size()];
    const Index rest = is_transposed ? 0 : input[axis] + both - reach;
    const Index length = is_transposed ? (input[axis] - 1) * window.strides[axis] + reach - both
                                       : (rest < 0 ? 0 : rest / window.strides[axis] + 1);
    if (length < 1)
      throw ShapeError("an output without positions: input " + to_string(input) + " with a kernel " + to_string(window.kernel) +
                       ", strides " + to_string(window.strides) + ", dilations " + to_string(window.dilations) + " and pads " +
                       to_string(pads));
    output.push_back(length);
  }
  return output;
}

ConvShape conv_shape(const OperatorSpec& spec) {
  if (spec.input_shapes.size() != 1)
    refuse("wrong number of inputs: got " + std::to_string(spec.input_shapes.size()) + ", expected 1");
  if (spec.constants.empty() || spec.constants.size() > 2) refuse("constants must be the weights and, if there is one, the bias");
  const Shape& input = spec.input_shapes[0];
  const Shape& W = spec.constants[0].shape;
  const Index axis = spec.attributes.integer("axis");
  if (axis < 0 || axis >= static_cast<Index>(input.size()) - 1)
    throw GraphError("axis " + std::to_string(axis) + " has no axes behind it in input " + to_string(input));
  const Index rank = static_cast<Index>(input.size()) - axis - 1;
  const auto n = static_cast<std::size_t>(rank);
  if (W.size() != n + 2 || size_of(W) == 0 || spec.constants[0].precision == Precision::int64)
    throw ShapeError("weights must be floats of " + std::to_string(n + 2) + " axes, got shape " + to_string(W));
  ConvShape shape{};
  shape.is_transposed = spec.attributes.integer("transposed") != 0;
  shape.groups = spec.attributes.integer("group");
  shape.outer = size_of(Shape(input.begin(), input.begin() + axis));
  const Shape pads = setting(spec, "pads", 2 * n, -largest_setting);
  WindowShape& window = shape.window;
  window.kernel = Shape(W.begin() + 2, W.end());
  window.strides = setting(spec, "strides", n, 1);
  window.dilations = setting(spec, "dilations", n, 1);
  window.pads = Shape(pads.begin(), pads.begin() + rank);
  if (shape.groups < 1 || W[0] % shape.groups != 0)
    throw GraphError("group is " + std::to_string(shape.groups) + ", expected a divisor of " + std::to_string(W[0]));
  const Index channels = input[static_cast<std::size_t>(axis)], other = W[1] * shape.groups;
  if (channels != (shape.is_transposed ? W[0] : other))
    throw ShapeError("weights " + to_string(W) + " do not fit axis " + std::to_string(axis) + " of input " + to_string(input) +
                     ": got " + std::to_string(channels) + " channels, expected " +
                     std::to_string(shape.is_transposed ? W[0] : other));
  const Shape spatial(input.begin() + axis + 1, input.end());
  const Shape result = spatial_output(window, spatial, pads, shape.is_transposed);
  window.large = shape.is_transposed ? result : spatial;
  window.small = shape.is_transposed ? spatial : result;
  shape.weights = {spec.constants[0].data, spec.constants[0].precision, W[0], size_of(W) / W[0]};
  shape.output = Shape(input.begin(), input.begin() + axis);
  shape.output.push_back(shape.is_transposed ? other : W[0]);
  shape.output.insert(shape.output.end(), result.begin(), result.end());
  const Shape bias{shape.output[static_cast<std::size_t>(axis)]};
  if (spec.constants.size() == 2 && spec.constants[1].shape != bias)
    throw ShapeError("the bias must have shape " + to_string(bias) + ", got " + to_string(spec.constants[1].shape));
  return shape;
}

class Conv final : public Operator {
 public:
  explicit Conv(const OperatorSpec& spec) : Conv(spec, conv_shape(spec)) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    if (bias_.empty()) rows::fill_zero(output, size() * points);
    for (std::size_t unit = 0, channel = 0; channel < bias_.size() * static_cast<std::size_t>(outer_); ++channel)
      for (Index i = 0; i < channel_size() * points; ++i, ++unit) output[unit] = bias_[channel % bias_.size()];
    add_product(inputs[0], points, output, is_transposed_);
  }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    const Index width = at.points * columns;
    rows::fill_zero(output_tangent, size() * width);
    if (tangents[0] != nullptr) add_product(tangents[0], width, output_tangent, is_transposed_);
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] != nullptr) add_product(output_adjoint, at.points * columns, adjoints[0], !is_transposed_);
  }

  bool identity_tangent(const Point& at, double* output_tangent) const override {
    if (output_tangent == nullptr) return true;
    const Index columns = input_size(0);
    rows::fill_zero(output_tangent, size() * at.points * columns);
    for_each_weight([&](Index output, Index input, double w) {
      for (Index p = 0; p < at.points; ++p) output_tangent[(output * at.points + p) * columns + input] = w;
    });
    return true;
  }

  bool is_affine(const std::vector<bool>&) const override { return true; }
  Index work() const override { return map_.multiplications(); }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    std::vector<interval::WeightedSum> sums;
    for (Index i = 0; i < size(); ++i) sums.emplace_back(bias_.empty() ? 0.0 : bias_[channel_of(i)]);
    for_each_weight([&](Index to, Index from, double w) { sums[static_cast<std::size_t>(to)].add(w, inputs[0][from]); });
    for (Index i = 0; i < size(); ++i) output[i] = sums[static_cast<std::size_t>(i)].enclosure();
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    if (has_one_set_per_image(inputs[0])) {
      const Index from = input_size(0) / outer_, to = size() / outer_;
      for (Index i = 0; i < size(); ++i) output[i] = inputs[0][i / to * from];
      return;
    }
    std::vector<std::vector<DependenceSets::Id>> ids(static_cast<std::size_t>(size()));
    for_each_weight([&](Index to, Index from, double w) {
      std::vector<DependenceSets::Id>& own = ids[static_cast<std::size_t>(to)];
      if (w != 0 && (own.empty() || own.back() != inputs[0][from])) own.push_back(inputs[0][from]);
    });
    for (Index i = 0; i < size(); ++i) output[i] = sets.unite(std::move(ids[static_cast<std::size_t>(i)]));
  }

 private:
  Conv(const OperatorSpec& spec, const ConvShape& shape)
      : Operator(spec, shape.output),
        is_transposed_(shape.is_transposed),
        outer_(shape.outer),
        map_(shape.weights, shape.outer, shape.groups, shape.window) {
    if (spec.constants.size() == 2) bias_ = spec.constants[1].widened();
  }

  /// Whether all units of an image depend on the same: then no window needs looking at.
  bool has_one_set_per_image(const DependenceSets::Id* ids) const {
    const Index image = input_size(0) / outer_;
    for (Index i = 0; i < input_size(0); ++i)
      if (ids[i] != ids[i / image * image]) return false;
    return true;
  }

  Index channel_size() const { return size() / (outer_ * static_cast<Index>(bias_.size())); }
  std::size_t channel_of(Index unit) const { return static_cast<std::size_t>(unit / channel_size()) % bias_.size(); }

  void add_product(const double* from, Index width, double* to, bool is_transposed) const {
    if (is_transposed) return map_.add_to_large(from, width, to);
    map_.add_to_small(from, width, to);
  }

  /// body(output unit, input unit, weight).
  template <class Body>
  void for_each_weight(Body body) const {
    map_.for_each_link([&](Index small, Index large, double w) {
      if (is_transposed_) return body(large, small, w);
      body(small, large, w);
    });
  }

  bool is_transposed_;
  Index outer_;
  Convolution map_;
  std::vector<double> bias_;
};

const Registered<Conv> conv("Conv");

}  // namespace

}  // namespace fastexpr
