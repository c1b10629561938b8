// ReduceLogSumExp: v = log sum_m exp(u_m) over the dimensions [axis, axis + n_axes), shifted by the largest u: nothing overflows.
//   p_m = exp(u_m - v)    v' = p'T    v'' = diag(p) - p p'
//   attributes: axis, n_axes, keepdims (1: the reduced dimensions stay, as 1)

#include <algorithm>
#include <cmath>
#include <vector>

#include "operators/interval.hpp"
#include "operators/lane_sums.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class ReduceLogSumExp final : public LaneSums {
 public:
  using LaneSums::LaneSums;

  void bounds(const Interval* const* inputs, Interval* output) const override {
    std::vector<double> lower(static_cast<std::size_t>(members())), upper(lower);
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      double magnitude = 1.0;
      for (Index m = 0; m < members(); ++m) {
        const Interval u = inputs[0][first_of(lane) + m * groups().inner];
        lower[static_cast<std::size_t>(m)] = u.lower;
        upper[static_cast<std::size_t>(m)] = u.upper;
        for (const double end : {u.lower, u.upper})
          if (std::isfinite(end)) magnitude = std::max(magnitude, std::abs(end));
      }
      const double rounding = static_cast<double>(2 * members() + 8) * std::numeric_limits<double>::epsilon() * magnitude;
      output[lane] = interval::widened({norm(lower.data(), 1) - rounding, norm(upper.data(), 1) + rounding});
    }
  }

 private:
  double norm(const double* u, Index stride) const override {
    Index k = 0;
    for (Index m = 0; m < members(); ++m) {
      if (std::isnan(u[m * stride])) return u[m * stride];
      if (u[m * stride] > u[k * stride]) k = m;
    }
    const double largest = u[k * stride];
    if (!std::isfinite(largest)) return largest;
    double others = 0.0;  // the largest exponential is 1: log1p keeps the digits of a sum just above it
    for (Index m = 0; m < members(); ++m)
      if (m != k) others += std::exp(u[m * stride] - largest);
    return largest + std::log1p(others);
  }

  double slopes(const double* u, Index stride, double v, double* p) const override {
    for (Index m = 0; m < members(); ++m) p[m * stride] = std::exp(u[m * stride] - v);
    return 1.0;
  }

  double diagonal(double p) const override { return p; }

  lane_lines::Plane plane_below(const lane_lines::Lane& u) const override { return lane_lines::log_sum_exp_below(u); }
  lane_lines::Plane plane_above(const lane_lines::Lane& u) const override { return lane_lines::log_sum_exp_above(u); }
};

const Registered<ReduceLogSumExp> reduce_log_sum_exp("ReduceLogSumExp");

}  // namespace

}  // namespace fastexpr
