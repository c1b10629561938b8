#pragma once

#include <algorithm>

#include "linalg/matrix.hpp"

// Rows of blocks: a unit's numbers for all points and columns, `width` of them.

namespace fastexpr::rows {

inline void copy(const double* from, double* to, Index width) { std::copy(from, from + width, to); }

inline void fill_zero(double* to, Index width) { std::fill(to, to + width, 0.0); }

inline void add(const double* from, double* to, Index width) {
  for (Index j = 0; j < width; ++j) to[j] += from[j];
}

/// to += factor * from.
inline void add_scaled(double factor, const double* from, double* to, Index width) {
  for (Index j = 0; j < width; ++j) to[j] += factor * from[j];
}

/// to = factor * from.
inline void scale(double factor, const double* from, double* to, Index width) {
  for (Index j = 0; j < width; ++j) to[j] = factor * from[j];
}

/// to = factor_a * a + factor_b * b.
inline void combine(double factor_a, const double* a, double factor_b, const double* b, double* to, Index width) {
  for (Index j = 0; j < width; ++j) to[j] = factor_a * a[j] + factor_b * b[j];
}

}  // namespace fastexpr::rows
