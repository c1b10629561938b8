#pragma once

#include "graph/rows.hpp"
#include "operators/grouped.hpp"
#include "operators/lane_lines.hpp"

namespace fastexpr {

/// v = phi(u) over the members of a lane, one number for each lane, where phi' is stored as the numbers p_m, one per member, and
/// phi'' is (diag(d) - p p') c with numbers d_m and c of the lane:
///   tangent  p'T    adjoint  u_m += p_m v    curvature  S_m = adjoint c (d_m T_m - p_m p'T)
/// local: p (input size), then c (lanes).
class LaneSums : public Grouped {
 public:
  explicit LaneSums(const OperatorSpec& spec) : Grouped(spec, reduced_shape(spec)) {}

  Index local_size(int) const final { return input_size(0) + n_lanes(); }

  void value(const double* const* inputs, double* output, Index points, double*) const final {
    for_each_lane(points, [&](Index first, Index stride, Index to) { output[to] = norm(inputs[0] + first, stride); });
  }

  void linearize(const Point& at, int, double* local) const final {
    for_each_lane(at.points, [&](Index first, Index stride, Index to) {
      local[input_size(0) * at.points + to] = slopes(at.inputs[0] + first, stride, at.output[to], local + first);
    });
  }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const final {
    rows::fill_zero(output_tangent, size() * at.points * columns);
    if (tangents[0] == nullptr) return;
    for_each_lane(at.points, [&](Index first, Index stride, Index to) {
      add_weighted(at.local + first, stride, tangents[0] + first * columns, columns, output_tangent + to * columns, columns);
    });
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const final {
    if (adjoints[0] == nullptr) return;
    for_each_lane(at.points, [&](Index first, Index stride, Index to) {
      for (Index m = 0; m < members(); ++m)
        rows::add_scaled(at.local[first + m * stride], output_adjoint + to * columns,
                         adjoints[0] + (first + m * stride) * columns, columns);
    });
  }

  std::vector<Link> links() const final {
    return lane_lines::links(size(), members(), groups().inner, [this](Index lane) { return first_of(lane); });
  }

  void lines(const IntervalBlock* inputs, const IntervalBlock& output, const Lines& below, const Lines& above,
             Index points) const final {
    Operator::lines(inputs, output, below, above, points);
    for (Index lane = 0; lane < n_lanes(); ++lane)
      for (Index p = 0; p < points; ++p) {
        const lane_lines::Lane u = lane_lines::lane(inputs[0], first_of(lane), groups().inner, members(), p, points);
        if (!lane_lines::is_moderate(u)) continue;
        lane_lines::put(plane_below(u), lane, p, points, below);
        lane_lines::put(plane_above(u), lane, p, points, above);
      }
  }

  bool is_curved(const std::vector<bool>& depends) const final { return depends[0] && members() > 1; }

  void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                 Index columns) const final {
    if (S[0] == nullptr) return;
    for_each_lane(at.points, [&](Index first, Index stride, Index to) {
      const double factor = rows::product(output_adjoint[to], at.local[input_size(0) * at.points + to]);
      for (Index begin = 0; begin < columns; begin += chunk)
        lane_curvature(at.local + first, stride, factor, tangents[0] + first * columns + begin, S[0] + first * columns + begin,
                       std::min(chunk, columns - begin), columns);
    });
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const final {
    for (Index lane = 0; lane < n_lanes(); ++lane) output[lane] = lane_dependence(sets, inputs[0], lane);
  }

  void couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const final {
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      const DependenceSets::Id joined = lane_dependence(sets, inputs[0], lane);
      if (joined != DependenceSets::empty) coupled.emplace_back(joined, joined);
    }
  }

 protected:
  /// phi of a lane whose members stand `stride` apart.
  virtual double norm(const double* u, Index stride) const = 0;
  /// Stores p at the members' places; returns c.
  virtual double slopes(const double* u, Index stride, double v, double* p) const = 0;
  /// d_m, given p_m.
  virtual double diagonal(double p) const = 0;
  /// Planes below and above phi over a box.
  virtual lane_lines::Plane plane_below(const lane_lines::Lane& u) const = 0;
  virtual lane_lines::Plane plane_above(const lane_lines::Lane& u) const = 0;

 private:
  static constexpr Index chunk = 64;  // columns that are worked on together: their sums stand on the stack

  /// body(row of the lane's first member, from one member to the next, row of the output).
  template <class Body>
  void for_each_lane(Index points, Body body) const {
    for (Index lane = 0; lane < n_lanes(); ++lane)
      for (Index p = 0; p < points; ++p) body(first_of(lane) * points + p, groups().inner * points, lane * points + p);
  }

  /// sums += sum_m p_m T_m.
  void add_weighted(const double* p, Index stride, const double* T, Index columns, double* sums, Index width) const {
    for (Index m = 0; m < members(); ++m) rows::add_scaled(p[m * stride], T + m * stride * columns, sums, width);
  }

  void lane_curvature(const double* p, Index stride, double factor, const double* T, double* S, Index width,
                      Index columns) const {
    double sums[chunk] = {};
    if (factor != 0) add_weighted(p, stride, T, columns, sums, width);
    for (Index m = 0; m < members(); ++m) {
      double* S_m = S + m * stride * columns;
      if (factor == 0) {
        rows::fill_zero(S_m, width);
        continue;
      }
      rows::combine(rows::product(factor, diagonal(p[m * stride])), T + m * stride * columns,
                    rows::product(-factor, p[m * stride]), sums, S_m, width);
    }
  }
};

}  // namespace fastexpr
