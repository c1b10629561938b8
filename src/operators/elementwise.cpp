#include "operators/elementwise.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "graph/errors.hpp"
#include "graph/rows.hpp"
#include "linalg/products.hpp"
#include "operators/interval.hpp"

namespace fastexpr {

namespace {
Shape only_input(const OperatorSpec& spec) { return spec.input_shapes.size() == 1 ? spec.input_shapes[0] : Shape{}; }
}  // namespace

Elementwise::Elementwise(OperatorSpec spec) : Operator(spec, only_input(spec)) { expect_inputs(this->spec(), 1); }

void Elementwise::value(const double* const* inputs, double* output, Index points, double* scratch) const {
  (void)scratch;
  apply(inputs[0], output, size() * points);
}

void Elementwise::branches(const double* const* inputs, Branch* branches, Index points, double* scratch) const {
  (void)scratch;
  for (Index i = 0; i < size() * points; ++i) branches[i] = branch_of(inputs[0][i]);
}

void Elementwise::value_on(const Branch* branches, const double* const* inputs, double* output, Index points,
                           double* scratch) const {
  (void)scratch;
  for (Index i = 0; i < size() * points; ++i) output[i] = piece(inputs[0][i], branches[i]).value;
}

bool Elementwise::walls(Index unit, Branch branch, std::vector<Wall>& walls) const {
  std::vector<double> positions = kinks();
  std::sort(positions.begin(), positions.end());
  if (branch < 0 || branch > static_cast<Branch>(positions.size())) return false;
  const auto b = static_cast<std::size_t>(branch);
  if (b > 0) walls.push_back({0, unit, -1, 0, positions[b - 1], 1.0, branch - 1});
  if (b < positions.size()) walls.push_back({0, unit, -1, 0, positions[b], -1.0, branch + 1});
  return true;
}

Index Elementwise::local_size(int order) const { return order == 2 && has_second_derivative() ? 2 * size() : size(); }

void Elementwise::linearize(const Point& at, int order, double* local) const {
  double* second = order == 2 && has_second_derivative() ? local + units(at) : nullptr;
  if (at.branches != nullptr) {
    for (Index i = 0; i < units(at); ++i) {
      const Piece known = piece(at.inputs[0][i], at.branches[i]);
      local[i] = known.first;
      if (second != nullptr) second[i] = known.second;
    }
    return;
  }
  derivatives(at.inputs[0], at.output, local, second, units(at));
}

namespace {
// A call through the table of kernels costs more than a look at a few numbers.
bool are_finite(const double* numbers, Index count) {
  constexpr Index few = 256;
  return count <= few ? rows::are_finite(numbers, count) : linalg::are_finite(numbers, count);
}

void scale(const Point& at, const double* rows, Index count, Index columns, double* out) {
  if (!at.annihilates && are_finite(at.local, count)) return linalg::scale_rows(at.local, rows, count, columns, out);
  for (Index i = 0; i < count * columns; ++i) out[i] = rows::product(at.local[i / columns], rows[i]);
}
}  // namespace

void Elementwise::tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const {
  scale(at, tangents[0], units(at), columns, output_tangent);
}

bool Elementwise::first_adjoint(const Point& at, const double* output_adjoint, double* adjoint, Index columns) const {
  scale(at, output_adjoint, units(at), columns, adjoint);
  return true;
}

void Elementwise::adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const {
  if (!at.annihilates && are_finite(at.local, units(at)))
    return linalg::add_scaled_rows(at.local, output_adjoint, units(at), columns, adjoints[0]);
  for (Index i = 0; i < units(at) * columns; ++i) adjoints[0][i] += rows::product(at.local[i / columns], output_adjoint[i]);
}

bool Elementwise::is_curved(const std::vector<bool>& depends) const { return depends[0] && has_second_derivative(); }

void Elementwise::curvature_diagonal(const Point& at, const double* output_adjoint, int, double* q) const {
  const double* second = at.local + units(at);
  // An adjoint of zero means that nothing depends on this unit: it stays out even where s'' is infinite (sqrt at 0).
  for (Index i = 0; i < units(at); ++i) q[i] = output_adjoint[i] == 0 ? 0 : output_adjoint[i] * second[i];
}

void Elementwise::curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                            Index columns) const {
  const double* second = at.local + units(at);
  for (Index i = 0; i < units(at); ++i) {
    double* S_i = S[0] + i * columns;
    const double* T_i = tangents[0] + i * columns;
    if (output_adjoint[i] == 0 || at.annihilates) {
      rows::scale(rows::product(output_adjoint[i], second[i]), T_i, S_i, columns);
      continue;
    }
    const double q = output_adjoint[i] * second[i];
    for (Index c = 0; c < columns; ++c) S_i[c] = q * T_i[c];
  }
}

void Elementwise::bounds(const Interval* const* inputs, Interval* output) const {
  for (Index i = 0; i < size(); ++i)
    output[i] = interval::is_nan(inputs[0][i]) ? interval::may_be_nan : interval::widened(image(inputs[0][i]));
}

Interval Elementwise::increasing_image(Interval u) const {
  const auto value = [this](double argument) {
    double result = 0;
    apply(&argument, &result, 1);
    return result;
  };
  return {interval::at_end(u.lower, value), interval::at_end(u.upper, value)};
}

Interval Elementwise::image_with_turns(Interval u, std::initializer_list<double> turning_points) const {
  return interval::extremes(u, turning_points, [this](double argument) {
    double result = 0;
    apply(&argument, &result, 1);
    return result;
  });
}

double Elementwise::finite_number(const OperatorSpec& spec, const std::string& attribute) {
  const double number = spec.attributes.number(attribute);
  if (!std::isfinite(number))
    refuse("attribute '" + attribute + "': got " + std::to_string(number) + ", expected a finite number");
  return number;
}

void Elementwise::dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const {
  (void)sets;
  for (Index i = 0; i < size(); ++i) output[i] = inputs[0][i];
}

void Elementwise::couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const {
  (void)sets;
  for (Index i = 0; i < size(); ++i)
    if (i == 0 || inputs[0][i] != inputs[0][i - 1]) coupled.emplace_back(inputs[0][i], inputs[0][i]);
}

}  // namespace fastexpr
