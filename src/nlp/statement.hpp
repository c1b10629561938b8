#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tape/tape.hpp"

// A model as flat arrays, which is how it arrives: nodes in postorder, node i with opcodes[i] and its counts[i] operands in a
// row. An operand is index * 4 + kind. Of a call, the first operand is the number of the external function; it is no number
// itself, but its outputs are: of an output, the first operand is its position, the second one the call.

namespace fastexpr::nlp {

class Kinks;

enum class Kind : std::int32_t { node, variable, parameter, constant };

struct Statement {
  std::span<const std::uint8_t> opcodes;
  std::span<const std::int32_t> counts;
  std::span<const std::int32_t> operands;
  std::span<const double> constants;
  Index n_variables = 0;
  Index n_parameters = 0;
  std::int32_t objective = 0;  // operands
  std::span<const std::int32_t> rows;
};

/// Arrays of a statement that has to outlive them.
struct OwnedStatement {
  explicit OwnedStatement(const Statement& s)
      : opcodes(s.opcodes.begin(), s.opcodes.end()),
        counts(s.counts.begin(), s.counts.end()),
        operands(s.operands.begin(), s.operands.end()),
        rows(s.rows.begin(), s.rows.end()),
        constants(s.constants.begin(), s.constants.end()),
        statement{opcodes, counts, operands, constants, s.n_variables, s.n_parameters, s.objective, rows} {}
  OwnedStatement(const OwnedStatement&) = delete;
  OwnedStatement& operator=(const OwnedStatement&) = delete;

  std::vector<std::uint8_t> opcodes;
  std::vector<std::int32_t> counts, operands, rows;
  std::vector<double> constants;
  Statement statement;  // views of them
};

/// Objective and rows as numbers of the tape. GraphError where the arrays make no sense. With `kinks`, what is kinked is on
/// branches, which are parameters.
std::vector<tape::Scaled> read_statement(const Statement& statement, tape::Tape& tape, Kinks* kinks = nullptr);

}  // namespace fastexpr::nlp
