#include "nlp/statement.hpp"

#include <algorithm>
#include <string>

#include "graph/errors.hpp"
#include "linalg/interruption.hpp"
#include "nlp/kinks.hpp"
#include "nlp/opcodes.hpp"

namespace fastexpr::nlp {

namespace {

using tape::Id;
using tape::Operation;
using tape::Scaled;
using tape::Tape;
using tape::Term;

/// Reads nodes in order. What only one node uses and is a sum or a product stays a list of terms until then, so that nested sums,
/// negations and constant factors become one sum: the tape's nodes are linear and quadratic forms, not pluses and minuses.
class Reader {
 public:
  Reader(const Statement& statement, Tape& tape, Kinks* kinks) : statement_(statement), tape_(tape), kinks_(kinks) {}

  std::vector<Scaled> read() {
    check_shapes();
    count_uses();
    results_.resize(statement_.opcodes.size());
    std::size_t begin = 0;
    for (std::size_t i = 0; i < statement_.opcodes.size(); ++i) {
      look_for_interruption();
      operands_ = statement_.operands.subspan(begin, static_cast<std::size_t>(statement_.counts[i]));
      begin += operands_.size();
      read_node(i);
      if (uses_[i] != 1) settle(results_[i]);
    }
    std::vector<Scaled> roots{settled(statement_.objective)};
    for (const std::int32_t row : statement_.rows) roots.push_back(settled(row));
    return roots;
  }

 private:
  /// A number, or terms [begin, begin + count) whose sum it is.
  struct Result {
    Scaled number;
    std::uint32_t begin = 0;
    std::uint32_t count = 0;
    Index call = -1;  // of a call

    bool is_open() const { return count > 0; }
  };

  void check_shapes() const {
    if (statement_.opcodes.size() != statement_.counts.size())
      refuse("opcodes and counts differ in length: got " + std::to_string(statement_.opcodes.size()) + " and " +
             std::to_string(statement_.counts.size()) + ".");
    std::size_t total = 0;
    for (std::size_t i = 0; i < statement_.opcodes.size(); ++i) {
      const std::uint8_t opcode = statement_.opcodes[i];
      const std::int32_t count = statement_.counts[i];
      if (opcode >= opcode_table.size())
        refuse("node " + std::to_string(i) + " has no operation: got opcode " + std::to_string(opcode) + ".");
      const int expected = opcode_table[opcode].n_operands;
      if (count < 0 || (expected != any && count != expected) || (count == 0 && opcode != sum))
        refuse("node " + std::to_string(i) + " (" + std::string(opcode_table[opcode].name) + ") got " + std::to_string(count) +
               " operands.");
      total += static_cast<std::size_t>(count);
    }
    if (total != statement_.operands.size())
      refuse("wrong number of operands: got " + std::to_string(statement_.operands.size()) + ", expected " +
             std::to_string(total) + ".");
  }

  void count_uses() {
    uses_.assign(statement_.opcodes.size(), 0);
    std::size_t next = 0;
    for (std::size_t i = 0; i < statement_.opcodes.size(); ++i) {
      const std::size_t end = next + static_cast<std::size_t>(statement_.counts[i]);
      const std::uint8_t opcode = statement_.opcodes[i];
      if (opcode == call || opcode == output) ++next;
      for (; next < end; ++next) use(statement_.operands[next], i, opcode == output);
    }
    use(statement_.objective, uses_.size(), false);
    for (const std::int32_t row : statement_.rows) use(row, uses_.size(), false);
  }

  void use(std::int32_t operand, std::size_t user, bool wants_call) {
    if (is_call(operand) != wants_call)
      refuse("node " + std::to_string(user) + (wants_call ? " is an output of what is no call." : " takes a call for a number."));
    const std::int32_t index = operand >> 2;
    const auto is_below = [&](std::size_t limit) { return operand >= 0 && static_cast<std::size_t>(index) < limit; };
    switch (static_cast<Kind>(operand & 3)) {
      case Kind::node:
        if (!is_below(user))
          refuse("node " + std::to_string(user) + " uses one that is not before it: got " + std::to_string(index) + ".");
        if (uses_[static_cast<std::size_t>(index)] < 2) ++uses_[static_cast<std::size_t>(index)];
        return;
      case Kind::variable:
        if (!is_below(static_cast<std::size_t>(statement_.n_variables)))
          refuse("there is no variable " + std::to_string(index) + ".");
        return;
      case Kind::parameter:
        if (!is_below(static_cast<std::size_t>(statement_.n_parameters)))
          refuse("there is no parameter " + std::to_string(index) + ".");
        return;
      case Kind::constant:
        if (!is_below(statement_.constants.size())) refuse("there is no constant " + std::to_string(index) + ".");
        return;
    }
  }

  bool is_call(std::int32_t operand) const {
    const auto index = static_cast<std::size_t>(operand >> 2);
    return operand >= 0 && (operand & 3) == static_cast<std::int32_t>(Kind::node) && index < statement_.opcodes.size() &&
           statement_.opcodes[index] == call;
  }

  Result result_of(std::int32_t operand) const {
    const auto index = static_cast<std::size_t>(operand >> 2);
    switch (static_cast<Kind>(operand & 3)) {
      case Kind::node:
        return results_[index];
      case Kind::variable:
        return {Tape::as_scaled(tape_.variable(static_cast<Index>(index)))};
      case Kind::parameter:
        return {Tape::as_scaled(tape_.parameter(static_cast<Index>(index)))};
      case Kind::constant:
        return {Tape::constant(statement_.constants[index])};
    }
    return {};
  }

  /// Makes open terms a number. They are the last ones of the store, but where nodes do not come in the order of their use.
  void settle(Result& result) {
    if (!result.is_open()) return;
    scratch_.assign(open_.begin() + result.begin, open_.begin() + result.begin + result.count);
    forget(result);
    result.number = tape_.sum(scratch_, true);
    result.count = 0;
  }

  void forget(const Result& result) {
    if (result.begin + result.count == open_.size()) open_.resize(result.begin);
  }

  Scaled settled(std::int32_t operand) {
    Result result = result_of(operand);
    settle(result);
    if ((operand & 3) == static_cast<std::int32_t>(Kind::node)) results_[static_cast<std::size_t>(operand >> 2)] = result;
    return result.number;
  }

  void open_with(Result& result, const Term& term) {
    result.begin = static_cast<std::uint32_t>(open_.size());
    result.count = 1;
    open_.push_back(term);
  }

  void read_node(std::size_t i) {
    Result& result = results_[i];
    switch (statement_.opcodes[i]) {
      case sum:
        read_sum(result);
        break;
      case negation:
        read_scaled(result, -1.0, operands_[0]);
        break;
      case product:
        read_product(result, operands_[0], operands_[1]);
        break;
      case division:
        read_division(result);
        break;
      case power:
        read_power(result);
        break;
      case minimum:
      case maximum: {
        result.number = settled(operands_[0]);
        for (const std::int32_t operand : operands_.subspan(1))
          result.number = apply(statement_.opcodes[i], result.number, settled(operand));
        break;
      }
      case select: {
        const Scaled otherwise = settled(operands_[2]), then = settled(operands_[1]), condition = settled(operands_[0]);
        result.number = Tape::is_constant(condition) ? (condition.scale != 0.0 ? then : otherwise)
                                                     : tape_.apply(Operation::select, as_truth(condition), then, otherwise);
        break;
      }
      case less:
      case less_equal:
      case equal:
      case both: {
        const Scaled b = settled(operands_[1]), a = settled(operands_[0]);
        result.number = apply(statement_.opcodes[i], a, b);
        break;
      }
      case call:
        read_call(result);
        break;
      case output:
        read_output(result);
        break;
      default:
        result.number = apply(statement_.opcodes[i], settled(operands_[0]), {});
    }
  }

  Scaled apply(std::uint8_t opcode, Scaled a, Scaled b) {
    const bool is_on_branch = kinks_ != nullptr && Kinks::has_branches(opcode) &&
                              (tape_.node(a.id).depends || (!b.is_zero() && tape_.node(b.id).depends));
    return is_on_branch ? kinks_->on_branch(opcode, a, b, tape_) : tape_.apply(opcode_table[opcode].operation, a, b);
  }

  /// 1 or 0: derivatives of a select take the condition as a factor.
  Scaled as_truth(Scaled condition) {
    const Operation operation = tape_.node(condition.id).operation;
    if (condition.scale == 1.0 && operation >= Operation::less && operation <= Operation::both) return condition;
    const Scaled is_zero = tape_.apply(Operation::equal, condition, Tape::constant(0.0));
    return tape_.plus(Tape::constant(1.0), {-is_zero.scale, is_zero.id});
  }

  void read_sum(Result& result) {
    // Open operands that lie one behind the other at the end of the store are the beginning of this sum already.
    std::size_t n_open = 0, next = 0;
    bool is_in_place = true;
    for (const std::int32_t operand : operands_) {
      const Result part = result_of(operand);
      if (!part.is_open()) continue;
      is_in_place = is_in_place && (n_open == 0 || part.begin == next);
      if (n_open++ == 0) result.begin = part.begin;
      next = part.begin + part.count;
    }
    is_in_place = is_in_place && (n_open == 0 || next == open_.size());
    if (n_open == 0) result.begin = static_cast<std::uint32_t>(open_.size());
    if (!is_in_place) {
      scratch_.clear();
      for (const std::int32_t operand : operands_) {
        const Result part = result_of(operand);
        scratch_.insert(scratch_.end(), open_.begin() + part.begin, open_.begin() + part.begin + part.count);
      }
      result.begin = static_cast<std::uint32_t>(open_.size());
      open_.insert(open_.end(), scratch_.begin(), scratch_.end());
    }
    for (const std::int32_t operand : operands_) {
      const Result part = result_of(operand);
      if (!part.is_open()) open_.push_back({part.number.scale, part.number.id, Tape::one});
    }
    result.count = static_cast<std::uint32_t>(open_.size() - result.begin);
    if (result.count == 0) result.number = Tape::constant(0.0);
  }

  void read_scaled(Result& result, double factor, std::int32_t operand) {
    result = result_of(operand);
    if (!result.is_open()) {
      result.number.scale *= factor;
      return;
    }
    for (std::uint32_t t = 0; t < result.count; ++t) open_[result.begin + t].scale *= factor;
  }

  void read_product(Result& result, std::int32_t first, std::int32_t second) {
    const Result a = result_of(first), b = result_of(second);
    if (!a.is_open() && a.number.id == Tape::one) {
      read_scaled(result, a.number.scale, second);
    } else if (!b.is_open() && b.number.id == Tape::one) {
      read_scaled(result, b.number.scale, first);
    } else {
      const Product y = factors(settled(second)), x = factors(settled(first));
      multiply(result, x, y);
    }
  }

  void read_division(Result& result) {
    const Scaled divisor = settled(operands_[1]);
    if (Tape::is_constant(divisor)) {
      read_scaled(result, 1.0 / divisor.scale, operands_[0]);
      return;
    }
    const Scaled inverse = tape_.apply(Operation::reciprocal, divisor);
    multiply(result, factors(settled(operands_[0])), factors(inverse));
  }

  bool is_fixed(Id id) const { return tape_.node(id).is_fixed; }

  /// fixed * rest, of which the first depends on no variable.
  struct Product {
    Scaled fixed = Tape::constant(1.0);
    Scaled rest = Tape::constant(1.0);
  };

  Product factors(Scaled x) const {
    const tape::Node& node = tape_.node(x.id);
    if (node.is_fixed) return {x, Tape::constant(1.0)};
    if (node.operation == Operation::sum && node.b == 0 && node.c == 1) {
      const Term& t = tape_.terms(node)[0];
      if (is_fixed(t.a)) return {{x.scale * t.scale, t.a}, Tape::as_scaled(t.b)};
      if (is_fixed(t.b)) return {{x.scale * t.scale, t.b}, Tape::as_scaled(t.a)};
    }
    return {Tape::constant(1.0), x};
  }

  /// Fixed factors stay together and outermost: where they are 0, the product is 0 whatever the rest is, as if it were not there.
  void multiply(Result& result, const Product& x, const Product& y) {
    const Scaled fixed = tape_.product(x.fixed, y.fixed);
    if (Tape::is_constant(fixed) && !Tape::is_constant(x.rest) && !Tape::is_constant(y.rest)) {
      open_with(result, Tape::term({fixed.scale * x.rest.scale, x.rest.id}, y.rest));
      return;
    }
    Scaled rest = tape_.product(x.rest, y.rest);
    if (!Tape::is_constant(fixed)) rest = where_nonzero(fixed, rest);
    open_with(result, Tape::term(fixed, rest));
  }

  Scaled where_nonzero(Scaled fixed, Scaled rest) {
    if (is_fixed(rest.id) || tape_.is_variable(rest.id)) return rest;
    return tape_.apply(Operation::select, as_truth(fixed), rest, Tape::constant(0.0));
  }

  void read_power(Result& result) {
    const Scaled exponent = settled(operands_[1]), base = settled(operands_[0]);
    if (Tape::is_constant(exponent) && exponent.scale == 2.0)
      open_with(result, Tape::term(base, base));
    else
      result.number = tape_.power(base, exponent);
  }

  void read_call(Result& result) {
    const Index target = operands_[0];
    const auto n_targets = static_cast<Index>(tape_.externals().size());
    if (target < 0 || target >= n_targets)
      refuse("there is no external function " + std::to_string(target) + ": there are " + std::to_string(n_targets) + ".");
    const auto n_inputs = static_cast<Index>(operands_.size()) - 1;
    const Index expected = tape_.externals()[static_cast<std::size_t>(target)]->n_inputs();
    if (n_inputs != expected)
      refuse("external function " + std::to_string(target) + " was called with " + std::to_string(n_inputs) + " inputs: it has " +
             std::to_string(expected) + " inputs.");
    std::vector<Scaled> inputs(static_cast<std::size_t>(n_inputs));
    for (std::size_t k = inputs.size(); k-- > 0;) inputs[k] = settled(operands_[k + 1]);
    result.call = tape_.call(target, inputs);
  }

  void read_output(Result& result) {
    const tape::Call& call = tape_.calls()[static_cast<std::size_t>(result_of(operands_[1]).call)];
    const Index position = operands_[0], n_outputs = tape_.external(call).n_outputs();
    if (position < 0 || position >= n_outputs)
      refuse("there is no output " + std::to_string(position) + " of external function " + std::to_string(call.target) +
             ": it has " + std::to_string(n_outputs) + " outputs.");
    result.number = Tape::as_scaled(call.first_output + static_cast<Id>(position));
  }

  const Statement& statement_;
  Tape& tape_;
  Kinks* kinks_;
  std::span<const std::int32_t> operands_;
  std::vector<std::uint8_t> uses_;  // 2: several
  std::vector<Result> results_;
  std::vector<Term> open_;
  std::vector<Term> scratch_;
};

}  // namespace

std::vector<tape::Scaled> read_statement(const Statement& statement, tape::Tape& tape, Kinks* kinks) {
  return Reader(statement, tape, kinks).read();
}

}  // namespace fastexpr::nlp
