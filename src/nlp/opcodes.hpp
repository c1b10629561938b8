#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tape/operation.hpp"

// The operations of a statement, by number and by name, and what they are on the tape.

namespace fastexpr::nlp {

/// In the order of the opcodes.
inline constexpr std::array<std::string_view, 33> opcode_names{
    "sum",  "product", "division", "negation", "power",  "exp",  "log",        "log10", "sqrt",  "sin",   "cos",
    "tan",  "asin",    "acos",     "atan",     "sinh",   "cosh", "tanh",       "asinh", "acosh", "atanh", "abs",
    "ceil", "floor",   "minimum",  "maximum",  "select", "less", "less_equal", "equal", "and",   "call",  "output"};

enum Opcode : std::uint8_t {
  sum,
  product,
  division,
  negation,
  power,
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
  minimum,
  maximum,
  select,
  less,
  less_equal,
  equal,
  both,
  call,
  output,
  n_opcodes
};
static_assert(n_opcodes == opcode_names.size());

constexpr int any = -1;  // number of operands

constexpr int n_operands(std::uint8_t opcode) {
  switch (opcode) {
    case sum:
    case minimum:
    case maximum:
    case call:
      return any;
    case select:
      return 3;
    case product:
    case division:
    case power:
    case less:
    case less_equal:
    case equal:
    case both:
    case output:
      return 2;
    default:
      return 1;
  }
}

constexpr tape::Operation operation_of(std::uint8_t opcode) {
  const auto counted_from = [opcode](tape::Operation first, Opcode first_opcode) {
    return static_cast<tape::Operation>(static_cast<int>(first) + opcode - first_opcode);
  };
  if (opcode >= exp && opcode <= floor) return counted_from(tape::Operation::exp, exp);
  if (opcode == minimum || opcode == maximum) return counted_from(tape::Operation::minimum, minimum);
  return counted_from(tape::Operation::less, less);
}
static_assert(static_cast<int>(tape::Operation::floor) - static_cast<int>(tape::Operation::exp) == floor - exp);
static_assert(static_cast<int>(tape::Operation::both) - static_cast<int>(tape::Operation::less) == both - less);

}  // namespace fastexpr::nlp
