// ReduceProd: v = product of u over the dimensions [axis, axis + n_axes).
//   u (outer, members, inner) -> v (outer, inner);  attributes: axis, n_axes, keepdims (1: the reduced dimensions stay, as 1)
// With the products of what stands before and behind a member, A_m and B_m, nothing is divided, and zeros are like other numbers:
//   v_m = A_m B_m    S_m = adjoint (A'_m B_m + A_m B'_m), where a prime is the derivative along the tangents
// local: v_m (input size)

#include <algorithm>

#include "graph/rows.hpp"
#include "operators/grouped.hpp"
#include "operators/interval.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class ReduceProd final : public Grouped {
 public:
  explicit ReduceProd(const OperatorSpec& spec) : Grouped(spec, reduced_shape(spec)) {}

  Index scratch_size() const override { return 2 * members(); }
  Index local_size(int) const override { return input_size(0); }

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    const Index length = groups().inner * points;
    const double* from = inputs[0];
    for (Index o = 0; o < groups().outer; ++o, output += length) {
      std::fill(output, output + length, 1.0);
      for (Index m = 0; m < members(); ++m, from += length)
        for (Index j = 0; j < length; ++j) output[j] *= from[j];
    }
  }

  void linearize(const Point& at, int, double* local) const override {
    for_each_lane(at.points, [&](Index first, Index stride, Index) {
      double before = 1.0;
      for (Index m = 0; m < members(); ++m) {
        local[first + m * stride] = before;
        before *= at.inputs[0][first + m * stride];
      }
      double behind = 1.0;
      for (Index m = members(); m-- > 0;) {
        local[first + m * stride] = rows::product(local[first + m * stride], behind);
        behind *= at.inputs[0][first + m * stride];
      }
    });
  }

  bool heeds_annihilation() const override { return true; }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    rows::fill_zero(output_tangent, size() * at.points * columns);
    if (tangents[0] == nullptr) return;
    for_each_lane(at.points, [&](Index first, Index stride, Index to) {
      for (Index m = 0; m < members(); ++m)
        rows::add_scaled(at.local[first + m * stride], tangents[0] + (first + m * stride) * columns,
                         output_tangent + to * columns, columns);
    });
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] == nullptr) return;
    for_each_lane(at.points, [&](Index first, Index stride, Index to) {
      for (Index m = 0; m < members(); ++m)
        rows::add_scaled(at.local[first + m * stride], output_adjoint + to * columns,
                         adjoints[0] + (first + m * stride) * columns, columns);
    });
  }

  bool is_curved(const std::vector<bool>& depends) const override { return depends[0] && members() > 1; }

  void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                 Index columns) const override {
    if (S[0] == nullptr) return;
    for_each_lane(at.points, [&](Index first, Index stride, Index to) {
      for (Index c = 0; c < columns; ++c)
        lane_curvature(at.inputs[0] + first, stride, output_adjoint[to], tangents[0] + first * columns + c, columns,
                       S[0] + first * columns + c, at.scratch);
    });
  }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      Interval product{1, 1};
      for (Index m = 0; m < members(); ++m)
        product = interval::widened(interval::multiply(product, inputs[0][first_of(lane) + m * groups().inner]), 1);
      output[lane] = product;
    }
  }

  void dependence(DependenceSets& sets, const DependenceSets::Id* const* inputs, DependenceSets::Id* output) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) output[lane] = lane_dependence(sets, inputs[0], lane);
  }

  /// Every member with every other; with itself only where two share a component.
  void couple(DependenceSets& sets, const DependenceSets::Id* const* inputs, CoupledSets& coupled) const override {
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      DependenceSets::Id before = DependenceSets::empty;
      for (Index m = 0; m < members(); ++m) {
        const DependenceSets::Id id = inputs[0][first_of(lane) + m * groups().inner];
        if (id != DependenceSets::empty && before != DependenceSets::empty) coupled.emplace_back(before, id);
        before = sets.unite(before, id);
      }
    }
  }

 private:
  /// body(row of the lane's first member, from one member to the next, row of the output).
  template <class Body>
  void for_each_lane(Index points, Body body) const {
    for (Index lane = 0; lane < n_lanes(); ++lane)
      for (Index p = 0; p < points; ++p) body(first_of(lane) * points + p, groups().inner * points, lane * points + p);
  }

  void lane_curvature(const double* u, Index stride, double adjoint, const double* T, Index columns, double* S,
                      double* scratch) const {
    double* before = scratch;
    double* before_prime = scratch + members();
    double product = 1.0, prime = 0.0;
    for (Index m = 0; m < members(); ++m) {
      before[m] = product;
      before_prime[m] = prime;
      prime = rows::product(prime, u[m * stride]) + rows::product(product, T[m * stride * columns]);
      product *= u[m * stride];
    }
    product = 1.0, prime = 0.0;
    for (Index m = members(); m-- > 0;) {
      S[m * stride * columns] = rows::product(adjoint, rows::product(before_prime[m], product) + rows::product(before[m], prime));
      prime = rows::product(prime, u[m * stride]) + rows::product(product, T[m * stride * columns]);
      product *= u[m * stride];
    }
  }
};

const Registered<ReduceProd> reduce_prod("ReduceProd");

}  // namespace

}  // namespace fastexpr
