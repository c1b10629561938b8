#pragma once

#include <vector>

#include "tape/tape.hpp"

namespace fastexpr::tape {

/// d node / d operand.
struct Partial {
  Id operand;
  Scaled derivative;
};

/// d^2 node / d a d b, for the pair in either order.
struct SecondPartial {
  Id a;
  Id b;
  Scaled derivative;
};

/// The derivatives of one node with respect to its operands, as nodes of the same tape.
class Partials {
 public:
  explicit Partials(Tape& tape);

  /// With respect to each operand that depends on a variable. An operand may come more than once: its derivatives add up.
  const std::vector<Partial>& first(Id node);
  /// Not of outputs of external functions: theirs come all at once, by `hessian_of_call`.
  const std::vector<SecondPartial>& second(Id node);
  /// Of the weighted sum of a call's outputs, with respect to its inputs.
  const std::vector<SecondPartial>& hessian_of_call(Index call, std::vector<Scaled> weights);

 private:
  struct Structure {  // of an external function
    External::Positions jacobian;
    std::vector<std::size_t> starts;  // of each output's entries
    External::Positions hessian;
  };

  void add_first(Id operand, Scaled derivative);
  void add_unary(const Node& node, Id id);
  void add_other(const Node& node);
  void add_output(const Node& node);
  Scaled first_of_unary(const Node& node, Id id);
  Scaled second_of_unary(const Node& node, Id id);

  Tape& tape_;
  std::vector<Structure> structures_;
  std::vector<Id> first_jacobian_;  // by call: where its derivatives begin; 0: not there yet
  std::vector<Partial> first_;
  std::vector<SecondPartial> second_;
};

}  // namespace fastexpr::tape
