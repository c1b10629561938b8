#include "operators/broadcast.hpp"

#include "graph/rows.hpp"
#include "operators/interval.hpp"
#include "operators/table_budget.hpp"

namespace fastexpr {

namespace {

Shape joint_shape(const OperatorSpec& spec) {
  return spec.input_shapes.size() == 2 ? broadcast(spec.input_shapes[0], spec.input_shapes[1]) : Shape{};
}

}  // namespace

UnitMap::UnitMap(const Shape& input, const Shape& output) {
  const Index size = size_of(output);
  if (size_of(input) == size || size == 0) return;
  constexpr Index short_output = 1024;  // where a table is small, looking up is faster than dividing
  const std::size_t missing = output.size() - input.size();
  const auto is_repeated = [&](std::size_t d) { return d < missing || input[d - missing] != output[d]; };
  std::size_t last = output.size();  // axes from here on are in the stretch
  std::size_t innermost = last - 1;
  while (output[innermost] == 1) --innermost;
  step_ = is_repeated(innermost) ? 0 : 1;
  if (size > short_output)
    while (last > 0 && (output[last - 1] == 1 || is_repeated(last - 1) == (step_ == 0))) length_ *= output[--last];
  TableBudget::spend(size / length_, 1);
  firsts_.resize(static_cast<std::size_t>(size / length_));
  Index size_behind = 1;  // of the input's axes in the stretch
  for (std::size_t d = last; d < output.size(); ++d) size_behind *= d < missing ? 1 : input[d - missing];
  Shape position(last, 0);
  for (Index& first : firsts_) {
    first = 0;
    for (std::size_t d = missing; d < last; ++d) first = first * input[d - missing] + (input[d - missing] == 1 ? 0 : position[d]);
    first *= size_behind;
    for (std::size_t d = last; d-- > 0 && ++position[d] == output[d];) position[d] = 0;
  }
}

OperatorSpec batched_by_broadcasting(const Operator& op, Index length, const std::vector<bool>& is_batched) {
  OperatorSpec spec = op.spec();
  for (std::size_t k = 0; k < spec.input_shapes.size(); ++k) {
    if (!is_batched[k]) continue;
    Shape& shape = spec.input_shapes[k];
    shape.insert(shape.begin(), op.shape().size() - shape.size(), 1);
    shape.insert(shape.begin(), length);
  }
  return spec;
}

Broadcast::Broadcast(const OperatorSpec& spec) : Operator(spec, joint_shape(spec)) {
  expect_inputs(spec, 2);
  for (std::size_t k = 0; k < 2; ++k) {
    maps_[k] = UnitMap(spec.input_shapes[k], shape());
    is_mapped_[k] = input_size(k) != size();
  }
}

Broadcast::Pair Broadcast::spread(const double* const* inputs, double* scratch, Index points) const {
  const double* seen[2] = {inputs[0], inputs[1]};
  for (std::size_t k = 0; k < 2; ++k) {
    if (!is_mapped(k)) continue;
    for (Index i = 0; i < size(); ++i) rows::copy(inputs[k] + unit_of(k, i) * points, scratch + i * points, points);
    seen[k] = scratch;
    scratch += size() * points;
  }
  return {seen[0], seen[1]};
}

void Broadcast::value(const double* const* inputs, double* output, Index points, double* scratch) const {
  const Pair pair = spread(inputs, scratch, points);
  apply(pair.a, pair.b, output, size() * points);
}

void Broadcast::branches(const double* const* inputs, Branch* branches, Index points, double* scratch) const {
  const Pair pair = spread(inputs, scratch, points);
  for (Index i = 0; i < size() * points; ++i) branches[i] = branch_of(pair.a[i], pair.b[i]);
}

void Broadcast::value_on(const Branch* branches, const double* const* inputs, double* output, Index points,
                         double* scratch) const {
  const Pair pair = spread(inputs, scratch, points);
  for (Index i = 0; i < size() * points; ++i) output[i] = piece(pair.a[i], pair.b[i], branches[i]).value;
}

bool Broadcast::walls(Index unit, Branch branch, std::vector<Wall>& walls) const {
  if (branch != 0 && branch != 1) return false;
  const int other_input = has_kink_in_difference() ? 1 : -1;
  walls.push_back({0, unit_of(0, unit), other_input, unit_of(1, unit), 0.0, branch == branch_above() ? 1.0 : -1.0, 1 - branch});
  return true;
}

void Broadcast::bounds(const Interval* const* inputs, Interval* output) const {
  for (Index i = 0; i < size(); ++i) {
    const Interval a = inputs[0][unit_of(0, i)], b = inputs[1][unit_of(1, i)];
    const bool is_nan = interval::is_nan(a) || interval::is_nan(b);
    output[i] = is_nan ? interval::may_be_nan : interval::widened(image(a, b));
  }
}

void Broadcast::dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const {
  for (Index i = 0; i < size(); ++i) output[i] = sets.unite(inputs[0][unit_of(0, i)], inputs[1][unit_of(1, i)]);
}

template <class Factor>
void Broadcast::combine(Factor factor, const double* A, const double* B, double* out, Index points, Index columns) const {
  if (A == nullptr && B == nullptr) return rows::fill_zero(out, size() * points * columns);
  for (Index i = 0; i < size(); ++i) {
    const Index unit_a = unit_of(0, i) * points;
    const Index unit_b = unit_of(1, i) * points;
    for (Index p = 0; p < points; ++p) {
      const Index row = i * points + p;
      double* to = out + row * columns;
      if (columns == 1) {  // no loop for one number
        *to = (A == nullptr ? 0.0 : rows::product(factor(0, row), A[unit_a + p])) +
              (B == nullptr ? 0.0 : rows::product(factor(1, row), B[unit_b + p]));
      } else if (B == nullptr) {
        rows::scale(factor(0, row), A + (unit_a + p) * columns, to, columns);
      } else if (A == nullptr) {
        rows::scale(factor(1, row), B + (unit_b + p) * columns, to, columns);
      } else {
        rows::combine(factor(0, row), A + (unit_a + p) * columns, factor(1, row), B + (unit_b + p) * columns, to, columns);
      }
    }
  }
}

template <class Factor>
void Broadcast::add_rows(Factor factor, std::size_t l, const double* from, std::size_t k, double* to, Index points,
                         Index columns) const {
  for (Index i = 0; i < size(); ++i) {
    const double* from_unit = from + unit_of(l, i) * points * columns;
    double* to_unit = to + unit_of(k, i) * points * columns;
    for (Index p = 0; p < points; ++p) {
      const double scale = factor(i * points + p);
      if (scale == 0) continue;  // takes no part
      if (columns == 1)
        to_unit[p] += rows::product(scale, from_unit[p]);
      else
        rows::add_scaled(scale, from_unit + p * columns, to_unit + p * columns, columns);
    }
  }
}

void LinearBroadcast::tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const {
  combine([&](int k, Index) { return k == 0 ? 1.0 : sign_; }, tangents[0], tangents[1], output_tangent, at.points, columns);
}

void LinearBroadcast::adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const {
  for (std::size_t k = 0; k < 2; ++k) {
    const double factor = k == 0 ? 1.0 : sign_;
    if (adjoints[k] != nullptr) add_rows([&](Index) { return factor; }, 2, output_adjoint, k, adjoints[k], at.points, columns);
  }
}

Index CurvedBroadcast::local_size(int order) const {
  const Index n_second = Index{second_.aa} + Index{second_.ab} + Index{second_.bb};
  return (order == 2 ? 2 + n_second : 2) * size();
}

CurvedBroadcast::Partials CurvedBroadcast::partials(double* local, Index points, int order) const {
  const Index count = size() * points;
  double* next = local + 2 * count;
  const auto take = [&](bool is_wanted) {
    double* taken = is_wanted ? next : nullptr;
    next += is_wanted ? count : 0;
    return taken;
  };
  Partials all{local, local + count, nullptr, nullptr, nullptr};
  all.aa = take(order == 2 && second_.aa);
  all.ab = take(order == 2 && second_.ab);
  all.bb = take(order == 2 && second_.bb);
  return all;
}

void CurvedBroadcast::linearize(const Point& at, int order, double* local) const {
  const Pair pair = spread(at.inputs, at.scratch, at.points);
  const Partials all = partials(local, at.points, order);
  if (at.branches == nullptr) return derivatives(pair.a, pair.b, at.output, all, size() * at.points);
  for (Index i = 0; i < size() * at.points; ++i) {
    const Piece known = piece(pair.a[i], pair.b[i], at.branches[i]);
    all.a[i] = known.a;
    all.b[i] = known.b;
    if (all.aa != nullptr) all.aa[i] = known.aa;
    if (all.ab != nullptr) all.ab[i] = known.ab;
    if (all.bb != nullptr) all.bb[i] = known.bb;
  }
}

void CurvedBroadcast::tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const {
  const double* first[2] = {at.local, at.local + size() * at.points};
  combine([&](int k, Index row) { return first[k][row]; }, tangents[0], tangents[1], output_tangent, at.points, columns);
}

void CurvedBroadcast::adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const {
  for (std::size_t k = 0; k < 2; ++k) {
    const double* first = at.local + static_cast<Index>(k) * size() * at.points;
    if (adjoints[k] != nullptr)
      add_rows([&](Index row) { return first[row]; }, 2, output_adjoint, k, adjoints[k], at.points, columns);
  }
}

bool CurvedBroadcast::is_curved(const std::vector<bool>& depends) const {
  return (second_.aa && depends[0]) || (second_.ab && depends[0] && depends[1]) || (second_.bb && depends[1]);
}

int CurvedBroadcast::diagonal_input(const std::vector<bool>& depends) const {
  if (depends[0] == depends[1]) return -1;
  const int input = depends[0] ? 0 : 1;
  return is_mapped(static_cast<std::size_t>(input)) ? -1 : input;
}

void CurvedBroadcast::curvature_diagonal(const Point& at, const double* output_adjoint, int input, double* q) const {
  const Partials all = partials(const_cast<double*>(at.local), at.points, 2);  // only read below
  const double* second = input == 0 ? all.aa : all.bb;
  for (Index i = 0; i < size() * at.points; ++i) q[i] = rows::product(output_adjoint[i], second[i]);
}

void CurvedBroadcast::curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                                Index columns) const {
  const Partials second = partials(const_cast<double*>(at.local), at.points, 2);  // only read below
  const double* rows_of[2][2] = {{second.aa, second.ab}, {second.ab, second.bb}};
  for (std::size_t k = 0; k < 2; ++k) {
    if (S[k] == nullptr) continue;
    const auto factor = [&](std::size_t l, Index row) { return rows::product(output_adjoint[row], rows_of[k][l][row]); };
    const double* T[2] = {rows_of[k][0] ? tangents[0] : nullptr, rows_of[k][1] ? tangents[1] : nullptr};
    if (!is_mapped(k)) {
      combine(factor, T[0], T[1], S[k], at.points, columns);
      continue;
    }
    rows::fill_zero(S[k], input_size(k) * at.points * columns);
    for (std::size_t l = 0; l < 2; ++l)
      if (T[l] != nullptr) add_rows([&](Index row) { return factor(l, row); }, l, T[l], k, S[k], at.points, columns);
  }
}

void CurvedBroadcast::couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const {
  (void)sets;
  std::pair<DependenceSets::Id, DependenceSets::Id> previous{-1, -1};
  for (Index i = 0; i < size(); ++i) {
    const DependenceSets::Id a = inputs[0][unit_of(0, i)];
    const DependenceSets::Id b = inputs[1][unit_of(1, i)];
    if (previous == std::pair{a, b}) continue;  // most units of a layer share their sets
    previous = {a, b};
    if (second_.aa && a != DependenceSets::empty) coupled.emplace_back(a, a);
    if (second_.ab && a != DependenceSets::empty && b != DependenceSets::empty) coupled.emplace_back(a, b);
    if (second_.bb && b != DependenceSets::empty) coupled.emplace_back(b, b);
  }
}

}  // namespace fastexpr
