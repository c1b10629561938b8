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
  /// Of the nodes that are there now; what is appended to the tape from here on is derivatives.
  explicit Partials(Tape& tape);

  /// How many nodes there are: the model's own, before derivatives were appended.
  std::size_t n_nodes() const { return n_nodes_; }

  /// With respect to each operand that depends on a variable. An operand may come more than once: its derivatives add up.
  const std::vector<Partial>& first(Id node);
  /// Not of outputs of external functions: theirs come all at once, by `hessian_of_call`.
  const std::vector<SecondPartial>& second(Id node);
  /// Of the sum of a call's outputs by its weights, with respect to its inputs.
  const std::vector<SecondPartial>& hessian_of_call(Index call);

 private:
  void add_first(Id operand, Scaled derivative);
  void add_unary(const Node& node, Id id);
  void add_other(const Node& node);
  void add_output(const Node& node);
  Scaled first_of_unary(const Node& node, Id id);
  Scaled second_of_unary(const Node& node, Id id);

  Tape& tape_;
  std::size_t n_nodes_;
  std::vector<std::vector<std::size_t>> starts_of_outputs_;  // by external: of each output's entries in its Jacobian
  std::vector<Id> first_jacobian_;                           // by call: where its derivatives begin; 0: not there yet
  std::vector<Partial> first_;
  std::vector<SecondPartial> second_;
};

}  // namespace fastexpr::tape
