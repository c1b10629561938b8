// LogSoftmax: v_m = u_m - log sum_j exp(u_j) over the dimensions [axis, axis + n_axes) together. With p = exp(v):
//   tangent    T_m - p'T            adjoint    g_m - p_m sum_j g_j
//   curvature  S = -(sum_j adjoint_j) (diag(p) - p p') T
// local: p (size)

#include <cmath>

#include "graph/rows.hpp"
#include "linalg/vector_math.hpp"
#include "operators/normalized.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class LogSoftmax : public Normalized {
 public:
  explicit LogSoftmax(const OperatorSpec& spec) : Normalized(spec) {}

  Index scratch_size() const override { return size(); }
  Index local_size(int) const override { return size(); }

  void value(const double* const* inputs, double* output, Index points, double* scratch) const override {
    subtract_maximum(inputs[0], output, points);
    vector_math::exp(output, scratch, size() * points);
    for_each_lane(points, [&](const Lane& lane) {
      const Index k = largest(lane, scratch);
      double others = 0.0;  // the largest exponential is 1: log1p keeps the digits of a sum just above it
      for (Index m = 0; m < lane.members; ++m)
        if (m != k) others += scratch[lane.row(m)];
      const double log_sum = output[lane.row(k)] + std::log1p(others);
      for (Index m = 0; m < lane.members; ++m) output[lane.row(m)] -= log_sum;
    });
  }

  void linearize(const Point& at, int, double* local) const override { vector_math::exp(at.output, local, size() * at.points); }

  void tangent(const Point& at, const double* const* tangents, double* output_tangent, Index columns) const override {
    if (tangents[0] == nullptr) return rows::fill_zero(output_tangent, size() * at.points * columns);
    center(at, at.local, nullptr, tangents[0], output_tangent, columns, false);
  }

  // With k the largest p: g_k - p_k sum g = (1 - p_k) g_k - p_k (sum of the others' g), and 1 - p_k is a sum, too.
  void adjoint(const Point& at, const double* output_adjoint, double* const* adjoints, Index columns) const override {
    if (adjoints[0] == nullptr) return;
    for_each_lane(at.points, [&](const Lane& lane) {
      const Index k = largest(lane, at.local);
      for (Index c = 0; c < columns; ++c) {
        if (at.annihilates && is_zero(lane, output_adjoint, columns, c)) continue;
        const double* g = output_adjoint + c;
        double* sum = adjoints[0] + c;
        double others = 0.0;
        double complement = 0.0;
        for (Index m = 0; m < lane.members; ++m) {
          if (m == k) continue;
          others += g[lane.row(m) * columns];
          complement += at.local[lane.row(m)];
        }
        const double g_k = g[lane.row(k) * columns];
        for (Index m = 0; m < lane.members; ++m)
          if (m != k) sum[lane.row(m) * columns] += g[lane.row(m) * columns] - at.local[lane.row(m)] * (g_k + others);
        sum[lane.row(k) * columns] += complement * g_k - at.local[lane.row(k)] * others;
      }
    });
  }

  void curvature(const Point& at, const double* output_adjoint, const double* const* tangents, double* const* S,
                 Index columns) const override {
    if (S[0] == nullptr) return;
    if (tangents[0] == nullptr) return rows::fill_zero(S[0], size() * at.points * columns);
    double* factor = at.scratch;
    for_each_lane(at.points, [&](const Lane& lane) {
      double sum = 0.0;
      for (Index m = 0; m < lane.members; ++m) sum += output_adjoint[lane.row(m)];
      for (Index m = 0; m < lane.members; ++m) factor[lane.row(m)] = rows::product(-sum, at.local[lane.row(m)]);
    });
    center(at, at.local, factor, tangents[0], S[0], columns, false);
  }

  bool is_logarithm() const override { return true; }

  void bounds(const Interval* const* inputs, Interval* output) const override { log_bounds(inputs[0], output); }
};

const Registered<LogSoftmax> log_softmax("LogSoftmax");

}  // namespace

}  // namespace fastexpr
