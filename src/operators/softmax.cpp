// Softmax: p_m = exp(u_m) / sum_j exp(u_j) over the dimensions [axis, axis + n_axes) together.
//   tangent, adjoint   phi' = diag(p) - p p'
//   curvature          g = p * (adjoint - p'adjoint), S = (diag(g) - g p' - p g') T
// The maximum of a lane is subtracted first: no overflow. A lane whose maximum is infinite gives NaN.

#include <cmath>

#include "graph/rows.hpp"
#include "linalg/vector_math.hpp"
#include "operators/interval.hpp"
#include "operators/normalized.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class Softmax : public Normalized {
 public:
  explicit Softmax(const OperatorSpec& spec) : Normalized(spec) {}

  Index scratch_size() const override { return size(); }

  void value(const double* const* inputs, double* output, Index points, double*) const override {
    subtract_maximum(inputs[0], output, points);
    vector_math::exp(output, output, size() * points);
    for_each_lane(points, [&](const Lane& lane) {
      const double sum = rows::total(lane.members, [&](Index m) { return output[lane.row(m)]; });
      for (Index m = 0; m < lane.members; ++m) output[lane.row(m)] /= sum;
    });
  }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
    center(at, at.output, at.output, tangents[0], output_tangent, columns, false);
  }

  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] != nullptr) center(at, at.output, at.output, output_adjoint, adjoints[0], columns, true);
  }

  void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                 Index columns) const override {
    if (S[0] == nullptr) return;
    if (tangents[0] == nullptr) return rows::fill_zero(S[0], size() * at.points * columns);
    const double* p = at.output;
    double* g = at.scratch;
    center(at, p, p, output_adjoint, g, 1, false);
    center(at, p, g, tangents[0], S[0], columns, false);
    for_each_lane(at.points, [&](const Lane& lane) {
      const Index k = largest(lane, p);
      for (Index begin = 0; begin < columns; begin += chunk) {
        const Index width = std::min(chunk, columns - begin);
        double sums[chunk];  // g'T; g sums to 0, so the shift by T_k changes nothing
        relative_sums(lane, k, g, tangents[0], columns, begin, width, sums);
        if (lane.is_together(columns)) {
          double* S_lane = S[0] + lane.first;
          for (Index m = 0; m < lane.members; ++m) S_lane[m] -= rows::product(p[lane.first + m], sums[0]);
          return;
        }
        for (Index m = 0; m < lane.members; ++m)
          rows::add_scaled(-p[lane.row(m)], sums, S[0] + lane.row(m) * columns + begin, width);
      }
    });
  }

  bool is_logarithm() const override { return false; }

  void bounds(const Interval* const* inputs, Interval* output) const override {
    log_bounds(inputs[0], output);
    for (Index i = 0; i < size(); ++i)
      output[i] = interval::widened_within({std::exp(output[i].lower), std::exp(output[i].upper)}, 0.0, 1.0);
  }
};

const Registered<Softmax> softmax("Softmax");

}  // namespace

}  // namespace fastexpr
