#include "operators/broadcast.hpp"

#include <algorithm>
#include <type_traits>

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
  length_ = size;
  if (size_of(input) == size || size == 0) return;
  length_ = 1;
  const std::size_t missing = output.size() - input.size();
  const auto is_repeated = [&](std::size_t d) { return d < missing || input[d - missing] != output[d]; };
  std::size_t last = output.size();  // axes from here on are in the stretch
  std::size_t innermost = last - 1;
  while (output[innermost] == 1) --innermost;
  step_ = is_repeated(innermost) ? 0 : 1;
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

const double* Broadcast::spread(std::size_t k, const double* input, double* scratch, Index points) const {
  if (!is_mapped(k)) return input;
  const UnitMap& map = maps_[k];
  for (Index i = 0, stretch = 0; i < size(); i += map.length(), ++stretch) {
    const double* from = input + map.first(stretch) * points;
    double* to = scratch + i * points;
    if (map.step() == 1)
      rows::copy(from, to, map.length() * points);
    else if (points == 1)
      std::fill_n(to, map.length(), *from);
    else
      for (Index j = 0; j < map.length(); ++j) rows::copy(from, to + j * points, points);
  }
  return scratch;
}

template <class Body>
void Broadcast::for_each_run(Index points, Body body) const {
  const Index length = std::min(maps_[0].length(), maps_[1].length());
  const Index steps[] = {maps_[0].step(), maps_[1].step()};
  Index stretches[] = {0, 0}, insides[] = {0, 0};
  const auto next = [&](std::size_t k) {  // unit of the next run; stretches hold whole numbers of runs
    const Index unit = maps_[k].first(stretches[k]) + insides[k] * steps[k];
    insides[k] += length;
    if (insides[k] == maps_[k].length()) insides[k] = 0, ++stretches[k];
    return unit;
  };
  for (Index i = 0; i < size(); i += length) {
    Run run{{next(0) * points, next(1) * points, i * points}, {steps[0], steps[1], 1}, length};
    if (points == 1) {
      body(run);
    } else if (steps[0] == 1 && steps[1] == 1) {
      run.length *= points;
      body(run);
    } else {
      run.length = points;
      run.steps[0] = run.steps[1] = 1;
      for (Index unit = 0; unit < length; ++unit) {
        body(run);
        for (std::size_t k = 0; k < 3; ++k) run.rows[k] += k == 2 || steps[k] == 1 ? points : 0;
      }
    }
  }
}

// Runs of some length are worth a call each, which spares spreading; one number is spread over so many at a time.
template <class Body>
void Broadcast::for_each_part(const double* const* inputs, double* scratch, Index points, Body body) const {
  constexpr Index long_run = 32, most = 512;
  if (!is_mapped(0) && !is_mapped(1)) return body(inputs[0], inputs[1], Index{0}, size() * points);
  if (std::min(maps_[0].length(), maps_[1].length()) * (points == 1 || maps_[0].step() + maps_[1].step() == 2 ? points : 1) <
      long_run) {
    const double* a = spread(0, inputs[0], scratch, points);
    const double* b = spread(1, inputs[1], is_mapped(0) ? scratch + size() * points : scratch, points);
    return body(a, b, Index{0}, size() * points);
  }
  for_each_run(points, [&](const Run& run) {
    const Index piece = run.steps[0] + run.steps[1] == 2 ? run.length : std::min(run.length, most);
    double* room = scratch;
    const double* seen[2];
    for (std::size_t k = 0; k < 2; ++k) {
      seen[k] = inputs[k] + run.rows[k];
      if (run.steps[k] == 1) continue;
      std::fill_n(room, piece, *seen[k]);
      seen[k] = room;
      room += piece;
    }
    for (Index begin = 0; begin < run.length; begin += piece)
      body(seen[0] + begin * run.steps[0], seen[1] + begin * run.steps[1], run.rows[2] + begin,
           std::min(piece, run.length - begin));
  });
}

void Broadcast::value(const double* const* inputs, double* output, Index points, double* scratch) const {
  for_each_part(inputs, scratch, points,
                [&](const double* a, const double* b, Index row, Index count) { apply(a, b, output + row, count); });
}

void Broadcast::branches(const double* const* inputs, Branch* branches, Index points, double* scratch) const {
  for_each_part(inputs, scratch, points, [&](const double* a, const double* b, Index row, Index count) {
    for (Index i = 0; i < count; ++i) branches[row + i] = branch_of(a[i], b[i]);
  });
}

void Broadcast::value_on(const Branch* branches, const double* const* inputs, double* output, Index points,
                         double* scratch) const {
  for_each_part(inputs, scratch, points, [&](const double* a, const double* b, Index row, Index count) {
    for (Index i = 0; i < count; ++i) output[row + i] = piece(a[i], b[i], branches[row + i]).value;
  });
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

namespace {

/// Calls body with the step as a constant, for the compiler to make loops over one number and over neighbours.
template <class Body>
void with_step(Index step, Body body) {
  if (step == 1)
    body(std::integral_constant<Index, 1>{});
  else
    body(std::integral_constant<Index, 0>{});
}

}  // namespace

template <class Factor>
void Broadcast::combine(bool is_plain, Factor factor, const double* A, const double* B, double* out, Index points,
                        Index columns) const {
  if (A == nullptr && B == nullptr) return rows::fill_zero(out, size() * points * columns);
  const auto add_one = [&](std::size_t k, const double* from, const Run& run) {
    double* to = out + run.rows[2];
    from += run.rows[k];
    with_step(run.steps[k], [&](auto step) {
      for (Index j = 0; j < run.length; ++j) to[j] = factor(k, run.rows[2] + j) * from[j * step];
    });
  };
  const auto add_both = [&](const Run& run) {
    double* to = out + run.rows[2];
    const double *a = A + run.rows[0], *b = B + run.rows[1];
    with_step(run.steps[0], [&](auto step_a) {
      with_step(run.steps[1], [&](auto step_b) {
        for (Index j = 0; j < run.length; ++j)
          to[j] = factor(0, run.rows[2] + j) * a[j * step_a] + factor(1, run.rows[2] + j) * b[j * step_b];
      });
    });
  };
  for_each_run(points, [&](const Run& run) {
    if (is_plain && columns == 1) {
      if (A != nullptr && B != nullptr) return add_both(run);
      return A != nullptr ? add_one(0, A, run) : add_one(1, B, run);
    }
    for (Index j = 0; j < run.length; ++j) {
      const Index row = run.rows[2] + j;
      const double* a = A == nullptr ? nullptr : A + (run.rows[0] + j * run.steps[0]) * columns;
      const double* b = B == nullptr ? nullptr : B + (run.rows[1] + j * run.steps[1]) * columns;
      if (b == nullptr)
        rows::scale(factor(0, row), a, out + row * columns, columns);
      else if (a == nullptr)
        rows::scale(factor(1, row), b, out + row * columns, columns);
      else
        rows::combine(factor(0, row), a, factor(1, row), b, out + row * columns, columns);
    }
  });
}

template <class Factor>
void Broadcast::add_rows(bool is_plain, Factor factor, std::size_t l, const double* from, std::size_t k, double* to, Index points,
                         Index columns) const {
  const auto add_numbers = [&](const Run& run) {
    const double* a = from + run.rows[l];
    double* sum = to + run.rows[k];
    const Index row = run.rows[2];
    with_step(run.steps[l], [&](auto step) {
      if (run.steps[k] == 1) {
        for (Index j = 0; j < run.length; ++j) sum[j] += factor(row + j) * a[j * step];
        return;
      }
      *sum += rows::total(run.length, [&](Index j) { return factor(row + j) * a[j * step]; });
    });
  };
  for_each_run(points, [&](const Run& run) {
    if (is_plain && columns == 1) return add_numbers(run);
    for (Index j = 0; j < run.length; ++j) {
      const double scale = factor(run.rows[2] + j);
      if (scale == 0) continue;  // takes no part
      rows::add_scaled(scale, from + (run.rows[l] + j * run.steps[l]) * columns, to + (run.rows[k] + j * run.steps[k]) * columns,
                       columns);
    }
  });
}

void LinearBroadcast::tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const {
  const auto factor = [&](std::size_t k, Index) { return k == 0 ? 1.0 : sign_; };
  combine(true, factor, tangents[0], tangents[1], output_tangent, at.points, columns);
}

void LinearBroadcast::adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const {
  for (std::size_t k = 0; k < 2; ++k) {
    const double factor = k == 0 ? 1.0 : sign_;
    if (adjoints[k] != nullptr)
      add_rows(true, [&](Index) { return factor; }, 2, output_adjoint, k, adjoints[k], at.points, columns);
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
  const Partials all = partials(local, at.points, order);
  for_each_part(at.inputs, at.scratch, at.points, [&](const double* a, const double* b, Index row, Index count) {
    const auto from = [&](double* numbers) { return numbers == nullptr ? nullptr : numbers + row; };
    const Partials some{from(all.a), from(all.b), from(all.aa), from(all.ab), from(all.bb)};
    if (at.branches == nullptr) return derivatives(a, b, at.output + row, some, count);
    for (Index i = 0; i < count; ++i) {
      const Piece known = piece(a[i], b[i], at.branches[row + i]);
      some.a[i] = known.a;
      some.b[i] = known.b;
      if (some.aa != nullptr) some.aa[i] = known.aa;
      if (some.ab != nullptr) some.ab[i] = known.ab;
      if (some.bb != nullptr) some.bb[i] = known.bb;
    }
  });
}

// What belongs to an input that does not depend on x may be anything, and then costs only the slower way.
bool CurvedBroadcast::is_plain(const Point& at, int order) const {
  return !at.annihilates && rows::are_finite(at.local, local_size(order) * at.points);
}

void CurvedBroadcast::tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const {
  const double* first[2] = {at.local, at.local + size() * at.points};
  const auto factor = [&](std::size_t k, Index row) { return first[k][row]; };
  combine(is_plain(at, 1), factor, tangents[0], tangents[1], output_tangent, at.points, columns);
}

void CurvedBroadcast::adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const {
  const bool are_finite = is_plain(at, 1);
  for (std::size_t k = 0; k < 2; ++k) {
    const double* first = at.local + static_cast<Index>(k) * size() * at.points;
    if (adjoints[k] != nullptr)
      add_rows(are_finite, [&](Index row) { return first[row]; }, 2, output_adjoint, k, adjoints[k], at.points, columns);
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
  const bool are_finite = is_plain(at, 2);
  for (std::size_t k = 0; k < 2; ++k) {
    if (S[k] == nullptr) continue;
    const auto factor = [&](std::size_t l, Index row) {
      return are_finite ? output_adjoint[row] * rows_of[k][l][row] : rows::product(output_adjoint[row], rows_of[k][l][row]);
    };
    const double* T[2] = {rows_of[k][0] ? tangents[0] : nullptr, rows_of[k][1] ? tangents[1] : nullptr};
    if (!is_mapped(k)) {
      combine(are_finite, factor, T[0], T[1], S[k], at.points, columns);
      continue;
    }
    rows::fill_zero(S[k], input_size(k) * at.points * columns);
    for (std::size_t l = 0; l < 2; ++l)
      if (T[l] != nullptr) add_rows(are_finite, [&](Index row) { return factor(l, row); }, l, T[l], k, S[k], at.points, columns);
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
