#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "search/box_search.hpp"

// What affine functions below objective and limits say over one box: cuts of its sides, and a bound of the objective.

namespace fastexpr {

namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();

}  // namespace

// c . (x - center) + offset <= limit cuts the box; false where nothing is left.
bool BoxSearch::tighten(const std::vector<double>& c, double offset, const double* center, double limit, Work& work) const {
  double least = offset, magnitude = std::abs(offset) + std::abs(limit);
  for (Index j = 0; j < n_; ++j) {
    const double slope = c[static_cast<std::size_t>(j)];
    if (slope == 0) continue;
    const double term = slope * ((slope > 0 ? work.lower[j] : work.upper[j]) - center[j]);
    least += term, magnitude += std::abs(term) + epsilon * std::abs(slope) * std::abs(center[j]);
  }
  const double room = limit - least + static_cast<double>(4 * n_ + 16) * epsilon * magnitude;
  if (room < 0) return false;
  if (!std::isfinite(room)) return true;
  for (Index j = 0; j < n_; ++j) {
    const double slope = c[static_cast<std::size_t>(j)];
    if (slope == 0) continue;
    const double reach = room / std::abs(slope) * (1 + 4 * epsilon);
    if (!(reach < work.upper[j] - work.lower[j])) continue;
    double& side = slope > 0 ? work.upper[j] : work.lower[j];
    const double moved = slope > 0 ? work.lower[j] + reach : work.upper[j] - reach;
    const double outward = 2 * epsilon * (std::abs(moved) + reach);
    double cut = slope > 0 ? moved + outward : moved - outward;
    if (problem_.is_integer[static_cast<std::size_t>(j)]) cut = slope > 0 ? std::floor(cut + 1e-9) : std::ceil(cut - 1e-9);
    if (slope > 0 ? cut < side : cut > side) side = cut;
    if (work.lower[j] > work.upper[j]) return false;
  }
  return true;
}

// The least of the objective's line over the box and the rows, by multipliers: for any that are not negative it is a bound.
double BoxSearch::lagrangian(std::vector<Form>& forms, const std::vector<double>& limits, const double* center,
                             const Work& work) const {
  std::vector<double> c = forms[0].c;
  double constant = forms[0].offset, magnitude = std::abs(constant);
  const auto value_at = [&](const std::vector<double>& slopes, double start) {
    double value = start, sum = std::abs(start);
    for (Index j = 0; j < n_; ++j) {
      const double slope = slopes[static_cast<std::size_t>(j)];
      const double term = slope * ((slope > 0 ? work.lower[j] : work.upper[j]) - center[j]);
      value += term, sum += std::abs(term) + std::abs(slope * center[j]) * epsilon;
    }
    return std::pair{value, sum};
  };
  std::vector<double> trial(c.size());
  for (int sweep = 0; sweep < (forms.size() > 2 ? 3 : 1); ++sweep)
    for (std::size_t k = 1; k < forms.size(); ++k) {
      const double surplus = forms[k].offset - limits[k];
      if (!std::isfinite(surplus)) continue;
      double best = value_at(c, constant).first, chosen = 0;
      for (std::size_t j = 0; j < c.size(); ++j) {  // breakpoints, where a slope changes its sign
        const double multiplier = forms[k].c[j] == 0 ? 0 : -c[j] / forms[k].c[j];
        if (!(multiplier > 0) || !std::isfinite(multiplier)) continue;
        for (std::size_t i = 0; i < c.size(); ++i) trial[i] = c[i] + multiplier * forms[k].c[i];
        const double value = value_at(trial, constant + multiplier * surplus).first;
        if (value > best) best = value, chosen = multiplier;
      }
      if (chosen == 0) continue;
      for (std::size_t i = 0; i < c.size(); ++i) {
        c[i] += chosen * forms[k].c[i];
        magnitude += std::abs(chosen * forms[k].c[i]) * (work.upper[i] - work.lower[i] + std::abs(work.upper[i] - center[i]));
      }
      constant += chosen * surplus;
      magnitude += std::abs(chosen) * (std::abs(forms[k].offset) + std::abs(limits[k]));
    }
  const auto [value, sum] = value_at(c, constant);
  return value - static_cast<double>(4 * n_ + 16) * epsilon * (sum + magnitude);
}

}  // namespace fastexpr
