#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "linalg/matrix.hpp"

// Rows of blocks: a unit's numbers for all points and columns, `width` of them.

namespace fastexpr::rows {

inline void copy(const double* from, double* to, Index width) { std::copy(from, from + width, to); }

inline void fill_zero(double* to, Index width) { std::fill(to, to + width, 0.0); }

inline void add(const double* from, double* to, Index width) {
  for (Index j = 0; j < width; ++j) to[j] += from[j];
}

/// Whether all numbers are finite.
inline bool are_finite(const double* numbers, Index count) {
  bool is_any_not = false;
  for (Index i = 0; i < count; ++i) is_any_not |= !(std::abs(numbers[i]) <= std::numeric_limits<double>::max());
  return !is_any_not;
}

/// factor * number, where a number of 0 means "does not take part" and gives 0 even where the factor is infinite: the slope of
/// sqrt at 0 is no business of an output that does not depend on it.
inline double product(double factor, double number) { return number == 0 ? 0 : factor * number; }

/// to += factor * from.
inline void add_scaled(double factor, const double* from, double* to, Index width) {
  if (std::isfinite(factor)) {
    for (Index j = 0; j < width; ++j) to[j] += factor * from[j];
  } else {
    for (Index j = 0; j < width; ++j) to[j] += product(factor, from[j]);
  }
}

/// to = factor * from.
inline void scale(double factor, const double* from, double* to, Index width) {
  if (std::isfinite(factor)) {
    for (Index j = 0; j < width; ++j) to[j] = factor * from[j];
  } else {
    for (Index j = 0; j < width; ++j) to[j] = product(factor, from[j]);
  }
}

/// to = factor_a * a + factor_b * b.
inline void combine(double factor_a, const double* a, double factor_b, const double* b, double* to, Index width) {
  if (std::isfinite(factor_a) && std::isfinite(factor_b)) {
    for (Index j = 0; j < width; ++j) to[j] = factor_a * a[j] + factor_b * b[j];
  } else {
    for (Index j = 0; j < width; ++j) to[j] = product(factor_a, a[j]) + product(factor_b, b[j]);
  }
}

}  // namespace fastexpr::rows
