#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "tape/external.hpp"
#include "tape/operation.hpp"

// Scalar algebra as a graph: nodes in topological order, written once. Values, derivatives and second derivatives of a model are
// nodes of one tape: `gradients` and `lagrangian_hessian` append to it.

namespace fastexpr::tape {

using Id = std::int32_t;

/// scale * the number of a node. A constant is scale * one.
struct Scaled {
  double scale = 0.0;
  Id id = 0;

  bool is_zero() const { return scale == 0.0; }
};

/// scale * a * b; b is the node one where the term is linear, and a too where it is constant.
struct Term {
  double scale;
  Id a;
  Id b;
};

/// One node. Of a sum, a is its first term, b the number of linear terms (they come first), c of bilinear ones; of a leaf, a is
/// its index; of a given number, a is the call, b the order of the derivative, c the place in the external's array.
struct Node {
  Operation operation;
  bool depends;   // on a variable
  bool is_fixed;  // depends on constants and parameters only
  Id a;
  Id b;
  Id c;
};

/// An external function at one place of the model.
struct Call {
  Index target;  // which external
  std::vector<Scaled> inputs;
  Id first_output = 0;          // its outputs are nodes in a row
  std::vector<Scaled> weights;  // adjoints of its outputs, once second derivatives want them
};

class Tape {
 public:
  static constexpr Id one = 0;

  Tape(Index n_variables, Index n_parameters, Index n_rows, std::vector<ExternalPointer> externals);

  Id variable(Index j) const { return static_cast<Id>(1 + j); }
  Id parameter(Index k) const { return static_cast<Id>(1 + n_variables_ + k); }
  /// 0: of the objective; 1 + i: of row i.
  Id weight(Index i) const { return static_cast<Id>(1 + n_variables_ + n_parameters_ + i); }
  Index n_variables() const { return n_variables_; }
  Index n_parameters() const { return n_parameters_; }
  Id n_leaves() const { return weight(n_weights_); }  // given numbers apart
  bool is_variable(Id id) const { return id >= 1 && id <= n_variables_; }

  Id size() const { return static_cast<Id>(nodes_.size()); }
  /// A reference that the next node ends: who appends to the tape meanwhile takes a copy.
  const Node& node(Id id) const { return nodes_[static_cast<std::size_t>(id)]; }
  /// A view that the next sum ends: the terms of all sums stand in one vector, which grows.
  std::span<const Term> terms(const Node& sum) const { return {terms_.data() + sum.a, static_cast<std::size_t>(sum.b + sum.c)}; }
  /// Calls body with each operand of a node, in their order; of a bilinear term both. Leaves have none: those of a given number
  /// are its call's. The body may append to the tape: the node is a copy, and terms are looked up one by one.
  template <class Body>
  void for_operands(const Node node, const Body& body) const {
    if (is_leaf(node.operation)) return;
    if (is_sum(node.operation)) {
      for (Id t = node.a; t < node.a + node.b + node.c; ++t) {
        const Term term = terms_[static_cast<std::size_t>(t)];
        body(term.a);
        if (term.b != one) body(term.b);
      }
      return;
    }
    body(node.a);
    if (!is_unary(node.operation)) body(node.b);
    if (node.operation == Operation::select) body(node.c);
  }
  const std::vector<ExternalPointer>& externals() const { return externals_; }
  const std::vector<Call>& calls() const { return calls_; }
  const External& external(const Call& call) const { return *externals_[static_cast<std::size_t>(call.target)]; }
  /// Of an external, asked once.
  const External::Entries& jacobian_entries(Index target) const;
  const External::Entries& hessian_entries(Index target) const;

  /// Whether the node is a number, as `materialize` makes one of a constant operand, and which.
  bool is_constant_node(Id id) const {
    const Node& n = node(id);
    return id == one || (n.operation == Operation::sum && n.b == 1 && n.c == 0 && terms(n)[0].a == one);
  }
  double constant_of(Id id) const { return id == one ? 1.0 : terms(node(id))[0].scale; }

  static Scaled constant(double value) { return {value, one}; }
  static Scaled as_scaled(Id id) { return {1.0, id}; }
  static bool is_constant(Scaled x) { return x.id == one || x.scale == 0.0; }
  static Term term(Scaled a, Scaled b) { return {a.scale * b.scale, a.id, b.id}; }

  /// From here on, what is appended is derivatives: products in a sum are those of the chain rule.
  void begin_derivatives() { has_derivatives_ = true; }

  /// The sum of the terms (which are reordered): a node only where a scaled node or constant does not say the same. With
  /// `is_shared` an equal sum that is there already is used again.
  Scaled sum(std::vector<Term>& terms, bool is_shared);
  Scaled product(Scaled a, Scaled b);
  Scaled plus(Scaled a, Scaled b);
  /// Anything but leaves and sums.
  Scaled apply(Operation operation, Scaled a, Scaled b = {}, Scaled c = {});
  Scaled power(Scaled base, Scaled exponent);
  /// A node whose number is scale * x.
  Id materialize(Scaled x);

  /// The number of an equal call, or a new one.
  Index call(Index target, const std::vector<Scaled>& inputs);
  /// A derivative of a call, at this place of the external's array.
  Scaled given(Index call, int order, Index place);
  void set_call_weights(Index call, std::vector<Scaled> weights) {
    calls_[static_cast<std::size_t>(call)].weights = std::move(weights);
  }

 private:
  /// Of the table of nodes that are looked for. The hash stands beside the node, which is somewhere else in memory.
  struct Slot {
    std::uint32_t hash = 0;
    Id id = 0;  // 0: empty (node 0 is never looked for)
  };

  Id append(const Node& node);
  Id find_or_append(const Node& node);
  Id find_or_append_sum(const std::vector<Term>& terms, Id n_linear, bool is_shared);
  template <class IsEqual>
  Slot& find(std::uint32_t hash, Id last_operand, const IsEqual& is_equal);
  template <class IsIt>
  Slot& probe(std::uint32_t hash, Id last_operand, const IsIt& is_it);
  Id last_operand(const Node& node) const;
  void grow_table();

  Index n_variables_, n_parameters_, n_weights_;
  std::vector<ExternalPointer> externals_;
  mutable std::vector<std::optional<External::Entries>> jacobian_entries_, hessian_entries_;
  std::vector<Node> nodes_;
  std::vector<Term> terms_;
  std::vector<Call> calls_;
  std::unordered_multimap<std::uint64_t, Index> calls_by_hash_;
  std::vector<Slot> table_;  // open addressing, a power of two
  std::size_t table_used_ = 0;
  bool has_derivatives_ = false;
};

}  // namespace fastexpr::tape
