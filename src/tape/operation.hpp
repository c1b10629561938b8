#pragma once

#include <cstdint>

// The operations of the tape. What a model's algebra is made of (+, -, *, constant factors, squares, linear and quadratic
// forms) is one of them: a sum of terms c * a and c * a * b. Its derivatives are terms of the same kind, so that differentiating
// algebra makes algebra, and a row that is linear or quadratic has constant or linear derivatives without being looked for.

namespace fastexpr::tape {

enum class Operation : std::uint8_t {
  // leaves
  one,
  variable,
  parameter,  // may change between solves, never during one
  weight,     // of the objective, then of each row: multipliers in the Lagrangian
  given,      // computed by an external function: a value, a first or a second derivative
  // sum of terms
  sum,
  chain_sum,  // of products of the chain rule: where one factor is 0, the term is 0, though another be infinite or NaN
  // of one operand
  reciprocal,
  exp,
  log,
  log10,
  sqrt,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  abs,
  ceil,
  floor,
  sign,   // 0 at 0
  sech2,  // 1 / cosh^2, the derivative of tanh without cancellation
  // of two operands
  power,
  power_da,  // its derivatives, finite where they are: 0 where the exponent makes the factor 0
  power_db,
  power_daa,
  power_dab,
  power_dbb,
  minimum,
  maximum,
  less,  // 1 or 0
  less_equal,
  equal,
  both,
  // of three operands
  select,  // a where the condition is not 0, else b
};

constexpr bool is_sum(Operation operation) { return operation == Operation::sum || operation == Operation::chain_sum; }
constexpr bool is_leaf(Operation operation) { return operation <= Operation::given; }
constexpr bool is_unary(Operation operation) { return operation >= Operation::reciprocal && operation <= Operation::sech2; }

/// The number itself, for everything but leaves and sums; b and c are not looked at where there is no such operand.
double evaluate(Operation operation, double a, double b, double c);

}  // namespace fastexpr::tape
