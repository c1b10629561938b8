#pragma once

#include "graph/operator.hpp"

// The chain rule where not everything is finite: a factor that is exactly 0 annihilates the other, even an infinite or NaN one.
// So a derivative is 0 where nothing depends on the argument (sqrt(relu(x)) at -1), by whatever way it is computed. Products of
// matrices do not work like that: 0 times infinity is NaN there, and stays so to the end. So a pass runs plainly, and once more
// in this way only if not all of its result is finite; then all of J by adjoints and all of H by directions, whatever was asked
// for, so that 2 inf - inf and (2 - 1) inf, which only the order of a sum tells apart, do not depend on who asks.

namespace fastexpr {

/// Operator::tangent, adjoint, curvature, for any numbers. Operators that do not heed `at.annihilates` get the finite rows all
/// at once, and for each of the others a unit vector: that is a column of their Jacobian, to multiply with number by number.
void annihilating_tangent(const Operator& op, const Point& at, const double* const* tangents, double* output_tangent,
                          Index columns);
void annihilating_adjoint(const Operator& op, const Point& at, const double* output_adjoint, double* const* adjoints,
                          Index columns);
void annihilating_curvature(const Operator& op, const Point& at, const double* output_adjoint, const double* const* tangents,
                            double* const* S, Index columns);

}  // namespace fastexpr
