#pragma once

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "function/function.hpp"
#include "nlp/statement.hpp"
#include "tape/tape.hpp"

// Where a program is kinked, and what it takes to leave its kinks to somebody else: each of the tape's own is on a branch that a
// parameter says, and numbers that arguments of walls are made of are roots behind the rows. Kinks of networks stay in them.

namespace fastexpr::nlp {

/// abs, minimum, maximum or a comparison on the tape. Of operation(a, b) the argument is a - b, of abs it is a.
struct TapeKink {
  std::uint8_t opcode;
  std::int32_t row = -1;  // of the argument, among the roots behind the objective
  std::int32_t rank = 0;  // above those of all units that the argument depends on

  /// The branch where the argument is at least 0; the other one is 1 minus that.
  Branch branch_above() const;
  Branch branch_at(double argument) const;
  /// What the kink's parameter is on a branch.
  double parameter(Branch branch) const;
  bool has_walls() const;
  /// Whether its value jumps.
  bool is_step() const;
};

/// A call of a network with kinks.
struct KinkedCall {
  struct Input {
    double scale;
    std::int32_t variable;  // -1: it is none
    std::int32_t row;       // of a number that varies and is no variable; -1: there is none
  };
  Index call;
  std::shared_ptr<const Function> function;
  std::vector<Input> inputs;
  std::int32_t rank;  // above those of all units that its inputs depend on
};

class Kinks {
 public:
  /// Whether anything of a tape as it is usually read has kinks that walls could be made of.
  static bool are_in(const tape::Tape& tape);

  static bool has_branches(std::uint8_t opcode);

  explicit Kinks(const Statement& statement);

  /// At least as many parameters and further roots as there will be.
  Index most_branches() const { return most_branches_; }
  Index most_roots() const { return most_roots_; }

  /// operation(a, b) on the branch of a parameter.
  tape::Scaled on_branch(std::uint8_t opcode, tape::Scaled a, tape::Scaled b, tape::Tape& tape);
  /// After reading: appends the roots that walls need, behind the objective and the program's own rows.
  void finish(tape::Tape& tape, std::vector<tape::Scaled>& roots);

  const std::vector<TapeKink>& of_tape() const { return of_tape_; }
  const std::vector<KinkedCall>& calls() const { return calls_; }

 private:
  std::vector<std::int32_t> find_ranks(const tape::Tape& tape);

  Index most_branches_ = 0, most_roots_ = 0;
  using Key = std::tuple<std::uint8_t, double, tape::Id, double, tape::Id>;

  std::vector<TapeKink> of_tape_;
  std::vector<tape::Scaled> arguments_;
  std::map<Key, std::size_t> known_;
  std::vector<KinkedCall> calls_;
};

}  // namespace fastexpr::nlp
