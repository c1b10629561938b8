#include <algorithm>

#include "tape/derivatives.hpp"
#include "tape/term_lists.hpp"

namespace fastexpr::tape {

namespace {

class Gradients {
 public:
  Gradients(Tape& tape, Partials& partials, const std::vector<Scaled>& roots, const std::vector<bool>& conditional)
      : tape_(tape), partials_(partials), roots_(roots), conditional_(conditional), n_nodes_(conditional.size()) {}

  SymbolicMatrix run() {
    assign_owners();
    sort_by_owner();
    starts_.assign(n_nodes_ + 1, {0, 0});
    lists_of_.assign(n_nodes_, TermLists::empty);
    for (std::size_t v = 0; v < n_nodes_; ++v)
      if (owner_[v] == static_cast<Id>(v)) differentiate(static_cast<Id>(v));
    return collect();
  }

 private:
  static constexpr Id unused = -1, shared = -2;

  bool is_inner(Id id) const { return !tape_.is_variable(id) && tape_.node(id).depends; }

  /// A node's owner is the root through which alone the rows reach it; a node with several is a root itself.
  void assign_owners() {
    owner_.assign(n_nodes_, unused);
    for (const Scaled& root : roots_)
      if (is_inner(root.id)) owner_[static_cast<std::size_t>(root.id)] = shared;
    for (std::size_t v = n_nodes_; v-- > 0;) {
      if (owner_[v] == unused) continue;
      if (owner_[v] == shared) owner_[v] = static_cast<Id>(v);
      for (const Partial& partial : partials_.first(static_cast<Id>(v))) {
        if (!is_inner(partial.operand)) continue;
        Id& owner = owner_[static_cast<std::size_t>(partial.operand)];
        owner = owner == unused || owner == owner_[v] ? owner_[v] : shared;
      }
    }
  }

  /// regions_[first_[r] .. first_[r + 1]): the nodes that r owns, r itself last.
  void sort_by_owner() {
    first_.assign(n_nodes_ + 1, 0);
    for (const Id owner : owner_)
      if (owner >= 0) ++first_[static_cast<std::size_t>(owner) + 1];
    for (std::size_t v = 0; v < n_nodes_; ++v) first_[v + 1] += first_[v];
    regions_.resize(static_cast<std::size_t>(first_[n_nodes_]));
    std::vector<std::int32_t> next(first_.begin(), first_.end() - 1);
    for (std::size_t v = 0; v < n_nodes_; ++v)
      if (owner_[v] >= 0) regions_[static_cast<std::size_t>(next[static_cast<std::size_t>(owner_[v])]++)] = static_cast<Id>(v);
  }

  void add(Id id, const Term& term) {
    TermLists::Head& head = lists_of_[static_cast<std::size_t>(id)];
    if (head == TermLists::empty && (tape_.is_variable(id) || owner_[static_cast<std::size_t>(id)] == id)) reached_.push_back(id);
    lists_.add(head, term);
  }

  Scaled take(Id id) {
    return tape_.sum(lists_.take(lists_of_[static_cast<std::size_t>(id)]), conditional_[static_cast<std::size_t>(id)], false);
  }

  /// The gradient of one root, in variables; it is stored behind those of the roots before it.
  void differentiate(Id root) {
    const auto r = static_cast<std::size_t>(root);
    reached_.clear();
    for (auto k = first_[r + 1]; k-- > first_[r];) {
      const Id v = regions_[static_cast<std::size_t>(k)];
      const Scaled adjoint = v == root ? Tape::constant(1.0) : take(v);
      if (adjoint.is_zero()) continue;
      for (const Partial& partial : partials_.first(v)) add(partial.operand, Tape::term(partial.derivative, adjoint));
    }
    chain_roots();
    std::sort(reached_.begin(), reached_.end());
    const auto begin = static_cast<Index>(columns_.size());
    for (const Id variable : reached_) {
      const Scaled entry = take(variable);
      if (entry.is_zero()) continue;
      columns_.push_back(variable - 1);
      entries_.push_back(entry);
    }
    starts_[r] = {begin, static_cast<Index>(columns_.size())};
  }

  /// Replaces the roots that were reached by their own gradients.
  void chain_roots() {
    const std::vector<Id> reached = std::move(reached_);
    reached_.clear();
    for (const Id id : reached)
      if (tape_.is_variable(id)) reached_.push_back(id);
    for (const Id id : reached) {
      if (tape_.is_variable(id)) continue;
      const Scaled factor = take(id);
      const auto [begin, end] = starts_[static_cast<std::size_t>(id)];
      for (Index e = begin; e < end; ++e) {
        const auto k = static_cast<std::size_t>(e);
        add(columns_[k] + 1, Tape::term(factor, entries_[k]));
      }
    }
  }

  SymbolicMatrix collect() const {
    SymbolicMatrix result;
    result.starts.push_back(0);
    for (const Scaled& root : roots_) {
      if (tape_.is_variable(root.id)) {
        result.columns.push_back(root.id - 1);
        result.entries.push_back(Tape::constant(root.scale));
      } else if (is_inner(root.id)) {
        const auto [begin, end] = starts_[static_cast<std::size_t>(root.id)];
        for (Index e = begin; e < end; ++e) {
          const Scaled& entry = entries_[static_cast<std::size_t>(e)];
          result.columns.push_back(columns_[static_cast<std::size_t>(e)]);
          result.entries.push_back({root.scale * entry.scale, entry.id});
        }
      }
      result.starts.push_back(static_cast<Index>(result.columns.size()));
    }
    return result;
  }

  Tape& tape_;
  Partials& partials_;
  const std::vector<Scaled>& roots_;
  const std::vector<bool>& conditional_;
  const std::size_t n_nodes_;  // those that were there before
  std::vector<Id> owner_;
  std::vector<std::int32_t> first_;
  std::vector<Id> regions_;
  TermLists lists_;
  std::vector<TermLists::Head> lists_of_;
  std::vector<Id> reached_;
  std::vector<std::pair<Index, Index>> starts_;  // of each root's entries
  std::vector<std::int32_t> columns_;
  std::vector<Scaled> entries_;
};

}  // namespace

std::vector<bool> find_conditional(const Tape& tape) {
  std::vector<bool> conditional(static_cast<std::size_t>(tape.size()), false);
  const auto mark = [&](Id id) { conditional[static_cast<std::size_t>(id)] = true; };
  for (Id id = tape.size(); id-- > tape.n_leaves();) {
    const Node& node = tape.node(id);
    const bool is_inside = conditional[static_cast<std::size_t>(id)];
    if (node.operation == Operation::select) {
      mark(node.b);
      mark(node.c);
    } else if (node.operation == Operation::sum) {
      for (const Term& t : tape.terms(node)) {
        const bool is_beside_fixed = node.is_guarded && tape.node(t.a).is_fixed != tape.node(t.b).is_fixed;
        if (!is_inside && !(is_beside_fixed && t.b != Tape::one)) continue;
        mark(t.a);
        mark(t.b);
      }
    } else if (is_inside && node.operation == Operation::given) {
      for (const Scaled& input : tape.calls()[static_cast<std::size_t>(node.a)].inputs) mark(input.id);
    } else if (is_inside) {
      mark(node.a);
      mark(node.b);
    }
  }
  return conditional;
}

SymbolicMatrix gradients(Tape& tape, Partials& partials, const std::vector<Scaled>& roots, const std::vector<bool>& conditional) {
  return Gradients(tape, partials, roots, conditional).run();
}

}  // namespace fastexpr::tape
