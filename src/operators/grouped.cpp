#include "operators/grouped.hpp"

#include "graph/errors.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace fastexpr {

Grouped::Groups Grouped::checked_groups(const OperatorSpec& spec) {
  expect_inputs(spec, 1);
  const Shape& shape = spec.input_shapes[0];
  const auto rank = static_cast<Index>(shape.size());
  const Index axis = spec.attributes.integer("axis");
  const Index n_axes = spec.attributes.integer("n_axes");
  if (axis < 0 || axis >= rank || n_axes < 1 || n_axes > rank - axis)
    refuse("axes are out of range: got axis " + std::to_string(axis) + " and n_axes " + std::to_string(n_axes) +
           " for an input of shape " + to_string(shape) + ", expected 0 <= axis < axis + n_axes <= " + std::to_string(rank) +
           ". Count a negative axis from the front first.");
  const auto first = shape.begin() + axis;
  const auto last = first + n_axes;
  return {size_of(Shape(shape.begin(), first)), size_of(Shape(first, last)), size_of(Shape(last, shape.end()))};
}

Shape Grouped::reduced_shape(const OperatorSpec& spec) {
  if (checked_groups(spec).members == 0) refuse("got nothing to reduce, expected at least one element.");
  const Index keepdims = spec.attributes.integer("keepdims");
  if (keepdims != 0 && keepdims != 1) refuse("keepdims: got " + std::to_string(keepdims) + ", expected 0 or 1.");
  Shape shape = spec.input_shapes[0];
  const auto first = shape.begin() + spec.attributes.integer("axis");
  const auto last = first + spec.attributes.integer("n_axes");
  if (keepdims == 1)
    std::fill(first, last, Index{1});
  else
    shape.erase(first, last);
  return shape;
}

DependenceSets::Id Grouped::lane_dependence(DependenceSets& sets, const DependenceSets::Id* input, Index lane) const {
  std::vector<DependenceSets::Id> ids;
  const Index first = first_of(lane);
  for (Index m = 0; m < members(); ++m) {
    const DependenceSets::Id id = input[first + m * groups_.inner];
    if (ids.empty() || id != ids.back()) ids.push_back(id);
  }
  return sets.unite(std::move(ids));
}

}  // namespace fastexpr
