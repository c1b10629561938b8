// ReduceMax: v = max of u over the dimensions [axis, axis + n_axes).
//   u (outer, members, inner) -> v (outer, inner);  attributes: axis, n_axes, keepdims (1: the reduced dimensions stay, as 1)
// Where several members share the maximum, the derivative is that of the first: one element of the subdifferential. No
// curvature. NaN stays NaN.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "graph/rows.hpp"
#include "operators/grouped.hpp"
#include "operators/interval.hpp"
#include "operators/lane_lines.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class ReduceMax : public Grouped {
 public:
  explicit ReduceMax(const OperatorSpec& spec) : Grouped(spec, reduced_shape(spec)) {}

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    const double* from = inputs[0];
    const Index length = groups().inner * points;
    for (Index o = 0; o < groups().outer; ++o, output += length) {
      rows::copy(from, output, length);
      from += length;
      for (Index m = 1; m < members(); ++m, from += length)
        for (Index j = 0; j < length; ++j) output[j] = is_above(from[j], output[j]) ? from[j] : output[j];
    }
  }

  Index branch_size() const override { return size(); }

  /// The member that is the maximum.
  void branches(const double* const* inputs, Branch* branches, Index points, double*) const override {
    find_maxima(inputs[0], branches, points);
  }

  void value_on(const Branch* branches, const double* const* inputs, double* output, Index points, double*) const override {
    const Index length = groups().inner * points;
    for (Index to = 0; to < n_lanes() * points; ++to) output[to] = inputs[0][row_of(to, branches[to], length)];
  }

  bool walls(Index unit, Branch branch, std::vector<Wall>& walls) const override {
    if (branch < 0 || branch >= members()) return false;
    const auto unit_of = [&](Index m) { return first_of(unit) + m * groups().inner; };
    for (Index m = 0; m < members(); ++m)
      if (m != branch) walls.push_back({0, unit_of(branch), 0, unit_of(m), 0.0, 1.0, static_cast<Branch>(m)});
    return true;
  }

  Index local_size(int) const override { return n_lanes(); }

  /// The member that is the maximum, as a double.
  void linearize(const Point& at, int, double* local) const override {
    if (at.branches == nullptr) return find_maxima(at.inputs[0], local, at.points);
    for (Index to = 0; to < n_lanes() * at.points; ++to) local[to] = static_cast<double>(at.branches[to]);
  }

  bool heeds_annihilation() const override { return true; }  // numbers are copied and added up only

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
    for_each_maximum(
        at, [&](Index from, Index to) { rows::copy(tangents[0] + from * columns, output_tangent + to * columns, columns); });
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] == nullptr) return;
    for_each_maximum(
        at, [&](Index from, Index to) { rows::add(output_adjoint + to * columns, adjoints[0] + from * columns, columns); });
  }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      const Interval* first = inputs[0] + first_of(lane);
      Interval largest = *first;
      for (Index m = 1; m < members(); ++m) {
        const Interval u = first[m * groups().inner];
        largest = {std::max(largest.lower, u.lower), std::max(largest.upper, u.upper)};
      }
      output[lane] = interval::is_any_nan(first, members(), groups().inner) ? interval::may_be_nan : largest;
    }
  }

  std::vector<Link> links() const override {
    return lane_lines::links(size(), members(), groups().inner, [this](Index lane) { return first_of(lane); });
  }

  // Below: the member with the largest lower end. Above: with k the member that reaches highest and M the others' reach, v is at
  // most max(u_k, M), a function of one number: its chord.
  void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
             Index points) const override {
    Operator::lines(inputs, output, below, above, points);
    for (Index lane = 0; lane < n_lanes(); ++lane)
      for (Index p = 0; p < points; ++p) {
        const Index at = lane * points + p;
        if (!std::isfinite(output.lower[at]) || !std::isfinite(output.upper[at])) continue;
        const auto unit = [&](Index m) { return (first_of(lane) + m * groups().inner) * points + p; };
        Index lowest = 0, highest = 0;
        for (Index m = 1; m < members(); ++m) {
          if (inputs[0].lower[unit(m)] > inputs[0].lower[unit(lowest)]) lowest = m;
          if (inputs[0].upper[unit(m)] > inputs[0].upper[unit(highest)]) highest = m;
        }
        below.slopes[(lane * members() + lowest) * points + p] = 1, below.offsets[at] = 0;
        double reach = -interval::infinity;  // of the others
        for (Index m = 0; m < members(); ++m)
          if (m != highest) reach = std::max(reach, inputs[0].upper[unit(m)]);
        const Interval u{inputs[0].lower[unit(highest)], inputs[0].upper[unit(highest)]};
        if (!std::isfinite(u.lower) || reach == u.upper) continue;
        double& slope = above.slopes[(lane * members() + highest) * points + p];
        slope = u.lower >= reach ? 1.0 : (u.upper - reach) / (u.upper - u.lower);
        const double largest = std::max(std::abs(u.lower), std::abs(u.upper)) + std::abs(std::max(reach, u.lower));
        above.offsets[at] =
            u.lower >= reach ? 0.0 : reach - slope * u.lower + 16 * std::numeric_limits<double>::epsilon() * largest;
      }
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) output[lane] = lane_dependence(sets, inputs[0], lane);
  }

 private:
  static bool is_above(double number, double other) { return number > other || number != number; }

  template <class Number>
  void find_maxima(const double* from, Number* maxima, Index points) const {
    const Index length = groups().inner * points;
    for (Index o = 0; o < groups().outer; ++o, maxima += length, from += members() * length)
      for (Index j = 0; j < length; ++j) {
        Index best = 0;
        for (Index m = 1; m < members(); ++m)
          if (is_above(from[m * length + j], from[best * length + j])) best = m;
        maxima[j] = static_cast<Number>(best);
      }
  }

  /// The row of the input block that a member has in a row of the output block, of `length` rows for each outer index.
  Index row_of(Index to, Index member, Index length) const {
    const Index o = to / length;
    return (o * members() + member) * length + to % length;
  }

  /// body(row of the input block, row of the output block): a row is one unit at one point.
  template <class Body>
  void for_each_maximum(const Point& at, Body body) const {
    const Index length = groups().inner * at.points;
    for (Index o = 0; o < groups().outer; ++o)
      for (Index j = 0; j < length; ++j) {
        const Index to = o * length + j;
        body((o * members() + static_cast<Index>(at.local[to])) * length + j, to);
      }
  }
};

const Registered<ReduceMax> reduce_max("ReduceMax");

}  // namespace

}  // namespace fastexpr
