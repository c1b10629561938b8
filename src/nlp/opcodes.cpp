#include "nlp/opcodes.hpp"

namespace fastexpr::nlp {

double value_of(std::uint8_t number, const double* operands, std::size_t count) {
  const double a = operands[0], b = count > 1 ? operands[1] : 0.0;
  if (number == product) return a * b;
  if (number == division) return a / b;
  if (number == negation) return -a;
  if (number == power) return tape::evaluate(tape::Operation::power, a, b, 0.0);
  if (number == select) return tape::evaluate(tape::Operation::select, a, b, operands[2]);
  const tape::Operation operation = opcode_table[number].operation;
  if (count == 1) return number == sum ? a : tape::evaluate(operation, a, 0.0, 0.0);
  double result = a;
  for (std::size_t i = 1; i < count; ++i)
    result = number == sum ? result + operands[i] : tape::evaluate(operation, result, operands[i], 0.0);
  return result;
}

}  // namespace fastexpr::nlp
