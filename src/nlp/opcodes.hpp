#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tape/operation.hpp"

// The operations of a statement, in the order of their numbers.

namespace fastexpr::nlp {

inline constexpr int any = -1;  // number of operands

struct OpcodeFacts {
  std::string_view name;
  int n_operands;
  tape::Operation operation = tape::Operation::sum;  // on the tape; `sum`: read_statement makes sums, or calls, of it
};

inline constexpr std::array opcode_table = std::to_array<OpcodeFacts>({
    {"sum", any},
    {"product", 2},
    {"division", 2},
    {"negation", 1},
    {"power", 2},
    {"exp", 1, tape::Operation::exp},
    {"log", 1, tape::Operation::log},
    {"log10", 1, tape::Operation::log10},
    {"sqrt", 1, tape::Operation::sqrt},
    {"sin", 1, tape::Operation::sin},
    {"cos", 1, tape::Operation::cos},
    {"tan", 1, tape::Operation::tan},
    {"asin", 1, tape::Operation::asin},
    {"acos", 1, tape::Operation::acos},
    {"atan", 1, tape::Operation::atan},
    {"sinh", 1, tape::Operation::sinh},
    {"cosh", 1, tape::Operation::cosh},
    {"tanh", 1, tape::Operation::tanh},
    {"asinh", 1, tape::Operation::asinh},
    {"acosh", 1, tape::Operation::acosh},
    {"atanh", 1, tape::Operation::atanh},
    {"abs", 1, tape::Operation::abs},
    {"ceil", 1, tape::Operation::ceil},
    {"floor", 1, tape::Operation::floor},
    {"minimum", any, tape::Operation::minimum},
    {"maximum", any, tape::Operation::maximum},
    {"select", 3},
    {"less", 2, tape::Operation::less},
    {"less_equal", 2, tape::Operation::less_equal},
    {"equal", 2, tape::Operation::equal},
    {"and", 2, tape::Operation::both},
    {"call", any},
    {"output", 2},
});

/// The number of the operation of this name, which is in the table.
consteval std::uint8_t opcode(std::string_view name) {
  std::uint8_t number = 0;
  while (opcode_table.at(number).name != name) ++number;
  return number;
}

inline constexpr std::uint8_t sum = opcode("sum"), product = opcode("product"), division = opcode("division"),
                              negation = opcode("negation"), power = opcode("power"), exp = opcode("exp"), abs = opcode("abs"),
                              floor = opcode("floor"), minimum = opcode("minimum"), maximum = opcode("maximum"),
                              select = opcode("select"), less = opcode("less"), less_equal = opcode("less_equal"),
                              equal = opcode("equal"), both = opcode("and"), call = opcode("call"), output = opcode("output");

/// The value of an operation, neither call nor output, of numbers.
double value_of(std::uint8_t number, const double* operands, std::size_t count);

}  // namespace fastexpr::nlp
