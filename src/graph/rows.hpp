#pragma once

#include <algorithm>
#include <cmath>

#include "linalg/matrix.hpp"

// Rows of blocks: a unit's numbers for all points and columns, `width` of them.

namespace fastexpr::rows {

inline void copy(const double* from, double* to, Index width) { std::copy(from, from + width, to); }

inline void fill_zero(double* to, Index width) { std::fill(to, to + width, 0.0); }

inline void add(const double* from, double* to, Index width) {
  for (Index j = 0; j < width; ++j) to[j] += from[j];
}

/// Whether all numbers are finite: 0 times any other is NaN. Four sums at a time are what the compiler makes vectors of.
inline bool are_finite(const double* numbers, Index count) {
  double sums[4] = {};
  Index i = 0;
  for (; i + 4 <= count; i += 4)
    for (Index j = 0; j < 4; ++j) sums[j] += 0.0 * numbers[i + j];
  for (; i < count; ++i) sums[0] += 0.0 * numbers[i];
  return sums[0] + sums[1] + sums[2] + sums[3] == 0.0;
}

/// term(0) + ... + term(count - 1): eight sums at a time, of which the compiler makes vectors.
template <class Term>
double total(Index count, Term term) {
  double sums[8] = {};
  Index i = 0;
  for (; i + 8 <= count; i += 8)
    for (Index j = 0; j < 8; ++j) sums[j] += term(i + j);
  for (; i < count; ++i) sums[0] += term(i);
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

/// The product of the chain rule: a factor that is exactly 0 means "does not take part" and gives 0 even where the other is
/// infinite or NaN. The slope of sqrt at 0 is no business of an output that does not depend on it.
inline double product(double factor, double number) { return factor == 0 || number == 0 ? 0 : factor * number; }

/// to += factor * from.
inline void add_scaled(double factor, const double* from, double* to, Index width) {
  if (factor == 0) return;
  if (std::isfinite(factor)) {
    for (Index j = 0; j < width; ++j) to[j] += factor * from[j];
  } else {
    for (Index j = 0; j < width; ++j) to[j] += product(factor, from[j]);
  }
}

/// to = factor * from.
inline void scale(double factor, const double* from, double* to, Index width) {
  if (factor == 0) return fill_zero(to, width);
  if (std::isfinite(factor)) {
    for (Index j = 0; j < width; ++j) to[j] = factor * from[j];
  } else {
    for (Index j = 0; j < width; ++j) to[j] = product(factor, from[j]);
  }
}

/// to = factor_a * a + factor_b * b.
inline void combine(double factor_a, const double* a, double factor_b, const double* b, double* to, Index width) {
  if (factor_a == 0) return scale(factor_b, b, to, width);
  if (factor_b == 0) return scale(factor_a, a, to, width);
  if (std::isfinite(factor_a) && std::isfinite(factor_b)) {
    for (Index j = 0; j < width; ++j) to[j] = factor_a * a[j] + factor_b * b[j];
  } else {
    for (Index j = 0; j < width; ++j) to[j] = product(factor_a, a[j]) + product(factor_b, b[j]);
  }
}

}  // namespace fastexpr::rows
