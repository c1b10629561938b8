#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "passes/front.hpp"

namespace fastexpr {

/// The ways to a dense Hessian; a file each, hessian_tangents.cpp and so on.
///
///   tangents    sum over nodes of T'S, with tangents of n columns from x on
///   seeds       the same behind affine images z = Ax + b of fewer numbers, then A'MA
///   front       compressed tangents for the first nodes, whose units see few inputs; z and A'MA for what is behind
///   directions  H times blocks of unit vectors: tangents forward, second adjoints back; in memory that does not grow with n^2.
///               It pays where layers have more units than parameters per unit: shared weights, and many inputs
enum class HessianWay : std::uint8_t { tangents, seeds, front, directions };
inline constexpr std::array<std::string_view, 4> way_names = {"tangents", "seeds", "front", "directions"};

/// Which way runs, and what it needs to know.
struct HessianPlan {
  HessianWay way = HessianWay::tangents;
  std::array<double, way_names.size()> costs{};  // multiplications at one point, about; 0 where a way does not exist
  Seeding seeds;
  Front front;
  Index width = 0;  // how many directions at a time

  double& cost_of(HessianWay which) { return costs[static_cast<std::size_t>(which)]; }
  /// What is asked for may rule the planned way out: several weightings at once go forward only, and seeds give no Jacobian.
  HessianWay way_for(Index weightings, bool wants_jacobian, Index n_outputs) const {
    const bool is_possible = way == HessianWay::directions ? weightings == 1
                             : way == HessianWay::seeds    ? !wants_jacobian || n_outputs <= seeds.columns
                                                           : true;
    return is_possible ? way : HessianWay::tangents;
  }
};

/// The cheapest way but for the front, which takes a search.
HessianPlan plan_hessian(const Graph& graph, const Layout& layout);
/// The same plan, or by a front, where that is cheaper.
HessianPlan with_front(const Graph& graph, const Layout& layout, HessianPlan plan);

}  // namespace fastexpr
