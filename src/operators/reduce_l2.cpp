// ReduceL2: v = sqrt(sum_m u_m^2) over the dimensions [axis, axis + n_axes), scaled by the largest |u|: nothing overflows.
//   p_m = u_m / v    v' = p'T    v'' = (I - p p') / v    all of them 0 at the kink u = 0
//   attributes: axis, n_axes, keepdims (1: the reduced dimensions stay, as 1)

#include <algorithm>
#include <cmath>
#include <vector>

#include "operators/interval.hpp"
#include "operators/lane_sums.hpp"
#include "operators/registry.hpp"

namespace fastexpr {

namespace {

class ReduceL2 final : public LaneSums {
 public:
  using LaneSums::LaneSums;

  void bounds(const Interval* const* inputs, Interval* output) const override {
    std::vector<double> lower(static_cast<std::size_t>(members())), upper(lower);
    for (Index lane = 0; lane < n_lanes(); ++lane) {
      for (Index m = 0; m < members(); ++m) {
        const Interval u = inputs[0][first_of(lane) + m * groups().inner];
        lower[static_cast<std::size_t>(m)] = interval::contains(u, 0.0) ? 0.0 : std::min(std::abs(u.lower), std::abs(u.upper));
        upper[static_cast<std::size_t>(m)] = std::max(std::abs(u.lower), std::abs(u.upper));
      }
      output[lane] = interval::widened({norm(lower.data(), 1), norm(upper.data(), 1)}, 8 + static_cast<int>(members()));
    }
  }

 private:
  double norm(const double* u, Index stride) const override {
    double largest = 0.0;
    for (Index m = 0; m < members(); ++m) largest = std::max(largest, std::abs(u[m * stride]));  // a NaN is left out
    const bool is_scaled = largest > 0 && std::isfinite(largest);
    const double scale = is_scaled ? std::ldexp(1.0, std::clamp(-std::ilogb(largest), -1000, 1000)) : 1.0;
    double sum = 0.0;
    for (Index m = 0; m < members(); ++m) sum += (u[m * stride] * scale) * (u[m * stride] * scale);
    return std::sqrt(sum) / scale;
  }

  double slopes(const double* u, Index stride, double v, double* p) const override {
    for (Index m = 0; m < members(); ++m) p[m * stride] = v == 0 ? 0.0 : u[m * stride] / v;
    return v == 0 ? 0.0 : 1.0 / v;
  }

  double diagonal(double) const override { return 1.0; }

  lane_lines::Plane plane_below(const lane_lines::Lane& u) const override { return lane_lines::norm_below(u); }
  lane_lines::Plane plane_above(const lane_lines::Lane& u) const override { return lane_lines::norm_above(u); }
};

const Registered<ReduceL2> reduce_l2("ReduceL2");

}  // namespace

}  // namespace fastexpr
