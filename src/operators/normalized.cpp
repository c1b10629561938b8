#include "operators/normalized.hpp"

#include <cmath>

#include "graph/rows.hpp"
#include "operators/interval.hpp"

namespace fastexpr {

Shape Normalized::checked_shape(const OperatorSpec& spec) {
  checked_groups(spec);
  return spec.input_shapes[0];
}

namespace {

/// The largest of some numbers that stand together: eight at a time, of which the compiler makes vectors.
double largest_of(const double* numbers, Index count) {
  double best[8];
  std::fill_n(best, 8, numbers[0]);
  Index i = 0;
  for (; i + 8 <= count; i += 8)
    for (Index j = 0; j < 8; ++j) best[j] = numbers[i + j] > best[j] ? numbers[i + j] : best[j];
  for (; i < count; ++i) best[0] = numbers[i] > best[0] ? numbers[i] : best[0];
  return *std::max_element(best, best + 8);
}

}  // namespace

void Normalized::subtract_maximum(const double* u, double* shifted, Index points) const {
  for_each_lane(points, [&](const Lane& lane) {
    const double maximum = lane.stride == 1 ? largest_of(u + lane.first, lane.members) : u[lane.row(largest(lane, u))];
    for (Index m = 0; m < lane.members; ++m) shifted[lane.row(m)] = u[lane.row(m)] - maximum;
  });
}

Index Normalized::largest(const Lane& lane, const double* numbers) {
  if (lane.stride == 1) {
    const double* first = numbers + lane.first;
    const double maximum = largest_of(first, lane.members);
    for (Index m = 0; m < lane.members; ++m)
      if (first[m] == maximum) return m;
    return 0;  // NaN
  }
  Index k = 0;
  for (Index m = 1; m < lane.members; ++m)
    if (numbers[lane.row(m)] > numbers[lane.row(k)]) k = m;
  return k;
}

void Normalized::relative_sums(const Lane& lane, Index k, const double* weights, const double* T, Index columns, Index begin,
                               Index width, double* sums) {
  if (lane.is_together(columns)) {
    const double *w = weights + lane.first, *numbers = T + lane.first, last = numbers[k];
    sums[0] = rows::total(lane.members, [=](Index m) { return w[m] * (numbers[m] - last); });
    return;
  }
  std::fill(sums, sums + width, 0.0);
  const double* T_k = T + lane.row(k) * columns + begin;
  for (Index m = 0; m < lane.members; ++m) {
    const double weight = weights[lane.row(m)];
    const double* T_m = T + lane.row(m) * columns + begin;
    for (Index c = 0; c < width; ++c) sums[c] += weight * (T_m[c] - T_k[c]);
  }
}

bool Normalized::is_zero(const Lane& lane, const double* T, Index columns, Index column) {
  for (Index m = 0; m < lane.members; ++m)
    if (T[lane.row(m) * columns + column] != 0) return false;
  return true;
}

void Normalized::center_lane(const Lane& lane, const double* p, const double* factor, const double* T, double* out,
                             bool accumulate) {
  const Index k = largest(lane, p);
  double sum = 0;
  relative_sums(lane, k, p, T, 1, 0, 1, &sum);
  T += lane.first, out += lane.first;
  const double T_k = T[k];
  const auto run = [&](auto scale) {
    if (accumulate)
      for (Index m = 0; m < lane.members; ++m) out[m] += scale(m) * ((T[m] - T_k) - sum);
    else
      for (Index m = 0; m < lane.members; ++m) out[m] = scale(m) * ((T[m] - T_k) - sum);
  };
  if (factor == nullptr) return run([](Index) { return 1.0; });
  run([own = factor + lane.first](Index m) { return own[m]; });
}

void Normalized::center(const Point& at, const double* p, const double* factor, const double* T, double* out, Index columns,
                        bool accumulate) const {
  for_each_lane(at.points, [&](const Lane& lane) {
    if (lane.is_together(columns) && !at.annihilates) return center_lane(lane, p, factor, T, out, accumulate);
    const Index k = largest(lane, p);
    for (Index begin = 0; begin < columns; begin += chunk) {
      const Index width = std::min(chunk, columns - begin);
      double sums[chunk];
      relative_sums(lane, k, p, T, columns, begin, width, sums);
      for (Index c = 0; at.annihilates && c < width; ++c)
        if (is_zero(lane, T, columns, begin + c)) sums[c] = 0.0;
      const double* T_k = T + lane.row(k) * columns + begin;
      for (Index m = 0; m < lane.members; ++m) {
        const double scale = factor == nullptr ? 1.0 : factor[lane.row(m)];
        const double* T_m = T + lane.row(m) * columns + begin;
        double* out_m = out + lane.row(m) * columns + begin;
        if (at.annihilates)
          for (Index c = 0; c < width; ++c)
            out_m[c] = (accumulate ? out_m[c] : 0.0) + rows::product(scale, (T_m[c] - T_k[c]) - sums[c]);
        else if (accumulate)
          for (Index c = 0; c < width; ++c) out_m[c] += scale * ((T_m[c] - T_k[c]) - sums[c]);
        else
          for (Index c = 0; c < width; ++c) out_m[c] = scale * ((T_m[c] - T_k[c]) - sums[c]);
      }
    }
  });
}

void Normalized::dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const {
  for (Index lane = 0; lane < n_lanes(); ++lane) {
    const DependenceSets::Id joined = lane_dependence(sets, inputs[0], lane);
    for (Index m = 0; m < members(); ++m) output[first_of(lane) + m * groups().inner] = joined;
  }
}

void Normalized::couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const {
  DependenceSets::Id previous = DependenceSets::empty;
  for (Index lane = 0; lane < n_lanes(); ++lane) {
    const DependenceSets::Id joined = lane_dependence(sets, inputs[0], lane);
    if (joined != DependenceSets::empty && joined != previous) coupled.emplace_back(joined, joined);
    previous = joined;
  }
}

namespace {

/// log(exp(a) + exp(b)).
double log_add(double a, double b) {
  const double larger = std::max(a, b);
  return larger + std::log1p(std::exp(std::min(a, b) - larger));
}

/// log of the sum of the other members' exponentials, for each of them.
std::vector<double> log_sums_of_others(const std::vector<double>& ends) {
  const std::size_t count = ends.size();
  std::vector<double> sums(count, std::numeric_limits<double>::lowest());
  double before = std::numeric_limits<double>::lowest();
  double after = before;
  for (std::size_t i = 0; i < count; ++i) {
    sums[i] = log_add(sums[i], before);
    before = log_add(before, ends[i]);
  }
  for (std::size_t i = count; i-- > 0;) {
    sums[i] = log_add(sums[i], after);
    after = log_add(after, ends[i]);
  }
  return sums;
}

/// -log(1 + exp(z)).
double minus_softplus(double z) { return -(std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)))); }

}  // namespace

// log p_m = -log(1 + exp(r - u_m)) with r = log of the sum of the others' exponentials: falls with r, rises with u_m.
void Normalized::log_bounds(const Interval* input, Interval* output) const {
  constexpr double huge = std::numeric_limits<double>::max();
  const auto count = static_cast<std::size_t>(members());
  std::vector<double> lower(count), upper(count);
  for (Index lane = 0; lane < n_lanes(); ++lane) {
    const Index first = first_of(lane);
    if (interval::is_any_nan(input + first, members(), groups().inner)) {
      for (std::size_t m = 0; m < count; ++m) output[first + static_cast<Index>(m) * groups().inner] = interval::may_be_nan;
      continue;
    }
    double magnitude = 1.0;
    for (std::size_t m = 0; m < count; ++m) {
      const Interval u = input[first + static_cast<Index>(m) * groups().inner];
      lower[m] = std::clamp(u.lower, -huge, huge);
      upper[m] = std::clamp(u.upper, -huge, huge);
      magnitude = std::max({magnitude, std::abs(lower[m]), std::abs(upper[m])});
    }
    const std::vector<double> low_others = log_sums_of_others(lower);
    const std::vector<double> high_others = log_sums_of_others(upper);
    const double rounding = static_cast<double>(4 * count + 8) * std::numeric_limits<double>::epsilon() * magnitude;
    for (std::size_t m = 0; m < count; ++m) {
      Interval& bound = output[first + static_cast<Index>(m) * groups().inner];
      bound.lower = minus_softplus(high_others[m] - lower[m]) - rounding;
      bound.upper =
          std::min(minus_softplus(low_others[m] - upper[m]) * (1 - 8 * std::numeric_limits<double>::epsilon()) + rounding, 0.0);
    }
  }
}

}  // namespace fastexpr
