#include "graph/operator.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "graph/errors.hpp"

namespace fastexpr {

Operator::Operator(OperatorSpec spec, Shape shape) : spec_(std::move(spec)), shape_(std::move(shape)), size_(size_of(shape_)) {
  for (const Shape& input : spec_.input_shapes) input_sizes_.push_back(size_of(input));
}

void Operator::curvature_diagonal(const Point& at, const double* output_adjoint, int input, double* q) const {
  (void)output_adjoint;
  (void)input;
  for (Index i = 0; i < size_ * at.points; ++i) q[i] = 0;
}

void Operator::curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                         Index columns) const {
  (void)output_adjoint;
  (void)tangents;
  for (std::size_t k = 0; k < n_inputs(); ++k)
    if (S[k] != nullptr)
      for (Index i = 0; i < input_size(k) * at.points * columns; ++i) S[k][i] = 0;
}

void Operator::branches(const double* const* inputs, Branch* branches, Index points, double* scratch) const {
  (void)inputs;
  (void)scratch;
  for (Index i = 0; i < branch_size() * points; ++i) branches[i] = 0;
}

void Operator::value_on(const Branch* branches, const double* const* inputs, double* output, Index points,
                        double* scratch) const {
  (void)branches;
  value(inputs, output, points, scratch);
}

bool Operator::walls(Index unit, Branch branch, std::vector<Wall>& walls) const {
  (void)unit;
  (void)walls;
  return branch == 0;
}

namespace {
// The union of what all units of all inputs depend on. Units of a dense layer share one set, so equal neighbours are skipped.
DependenceSets::Id unite_all(DependenceSets& sets, const Operator& op, const DependenceSets::Id* const* inputs) {
  std::vector<DependenceSets::Id> ids;
  for (std::size_t k = 0; k < op.n_inputs(); ++k)
    for (Index i = 0; i < op.input_size(k); ++i)
      if (i == 0 || inputs[k][i] != inputs[k][i - 1]) ids.push_back(inputs[k][i]);
  return sets.unite(std::move(ids));
}
}  // namespace

void Operator::dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const {
  const DependenceSets::Id all = unite_all(sets, *this, inputs);
  for (Index i = 0; i < size_; ++i) output[i] = all;
}

void Operator::couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const {
  const DependenceSets::Id all = unite_all(sets, *this, inputs);
  coupled.emplace_back(all, all);
}

OperatorSpec Operator::batched(Index length, const std::vector<bool>& is_batched) const {
  (void)is_batched;
  OperatorSpec spec = spec_;
  for (Shape& shape : spec.input_shapes) shape.insert(shape.begin(), length);
  if (spec.attributes.has("axis")) spec.attributes.set("axis", spec.attributes.integer("axis") + 1);
  return spec;
}

void Operator::bounds_of_boxes(const IntervalBlock* inputs, const IntervalBlock& output, Index points) const {
  std::vector<Interval> numbers;
  std::vector<std::size_t> starts;
  for (std::size_t k = 0; k < n_inputs(); ++k) {
    starts.push_back(numbers.size());
    numbers.resize(numbers.size() + static_cast<std::size_t>(input_size(k)));
  }
  std::vector<const Interval*> views;
  for (const std::size_t start : starts) views.push_back(numbers.data() + start);
  std::vector<Interval> bound(static_cast<std::size_t>(size_));
  for (Index p = 0; p < points; ++p) {
    for (std::size_t k = 0; k < n_inputs(); ++k)
      for (Index i = 0; i < input_size(k); ++i)
        numbers[starts[k] + static_cast<std::size_t>(i)] = {inputs[k].lower[i * points + p], inputs[k].upper[i * points + p]};
    bounds(views.data(), bound.data());
    for (Index i = 0; i < size_; ++i) {
      output.lower[i * points + p] = bound[static_cast<std::size_t>(i)].lower;
      output.upper[i * points + p] = bound[static_cast<std::size_t>(i)].upper;
    }
  }
}

void Operator::lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
                     Index points) const {
  bounds_of_boxes(inputs, output, points);
  std::fill_n(below.slopes, below.links * points, 0.0);
  std::fill_n(above.slopes, above.links * points, 0.0);
  constexpr double most = std::numeric_limits<double>::max();
  for (Index i = 0; i < size_ * points; ++i) {
    below.offsets[i] = output.lower[i] >= -most ? output.lower[i] : -most;
    above.offsets[i] = output.upper[i] <= most ? output.upper[i] : most;
  }
}

void Operator::expect_inputs(const OperatorSpec& spec, std::size_t count) {
  if (spec.input_shapes.size() != count)
    refuse("wrong number of inputs: got " + std::to_string(spec.input_shapes.size()) + ", expected " + std::to_string(count));
}

}  // namespace fastexpr
