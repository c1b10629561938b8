#include <algorithm>

#include "linalg/interruption.hpp"
#include "tape/derivatives.hpp"
#include "tape/term_lists.hpp"

namespace fastexpr::tape {

namespace {

class Gradients {
 public:
  Gradients(Tape& tape, Partials& partials, const std::vector<Scaled>& roots)
      : tape_(tape), partials_(partials), roots_(roots), n_nodes_(partials.n_nodes()) {}

  SymbolicMatrix run() {
    starts_.assign(n_nodes_, {0, 0});
    lists_of_.assign(n_nodes_, TermLists::empty);
    is_root_.assign(n_nodes_, false);
    if (share_little()) {
      for (const Scaled& root : roots_)
        if (is_inner(root.id) && starts_[static_cast<std::size_t>(root.id)].second == 0) differentiate(root.id, reach(root.id));
    } else {
      assign_owners();
      sort_by_owner();
      for (std::size_t v = 0; v < n_nodes_; ++v) is_root_[v] = owner_[v] == static_cast<Id>(v);
      for (std::size_t v = 0; v < n_nodes_; ++v)
        if (is_root_[v]) differentiate(static_cast<Id>(v), region(v));
    }
    return collect();
  }

 private:
  static constexpr Id unused = -1, shared = -2;

  bool is_inner(Id id) const { return !tape_.is_variable(id) && tape_.node(id).depends; }

  /// Whether all roots' nodes together are not many more than there are nodes.
  bool share_little() {
    std::size_t total = 0;
    for (const Scaled& root : roots_) {
      look_for_interruption();
      if (is_inner(root.id)) total += reach(root.id).size();
      if (total > 4 * n_nodes_) return false;
    }
    return true;
  }

  /// The nodes that a root depends on, ascending, itself included.
  std::vector<Id>& reach(Id root) {
    seen_.resize(n_nodes_, 0);
    ++sweep_;
    reach_.assign(1, root);
    seen_[static_cast<std::size_t>(root)] = sweep_;
    const auto visit = [&](Id id) {
      if (!is_inner(id) || seen_[static_cast<std::size_t>(id)] == sweep_) return;
      seen_[static_cast<std::size_t>(id)] = sweep_;
      reach_.push_back(id);
    };
    for (std::size_t next = 0; next < reach_.size(); ++next) {
      const Node& node = tape_.node(reach_[next]);
      tape_.for_operands(node, visit);
      if (node.operation == Operation::given)
        for (const Scaled& input : tape_.calls()[static_cast<std::size_t>(node.a)].inputs) visit(input.id);
    }
    std::sort(reach_.begin(), reach_.end());
    return reach_;
  }

  std::span<const Id> region(std::size_t root) const {
    return {regions_.data() + first_[root], static_cast<std::size_t>(first_[root + 1] - first_[root])};
  }

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
    if (head == TermLists::empty && (tape_.is_variable(id) || is_root_[static_cast<std::size_t>(id)])) reached_.push_back(id);
    lists_.add(head, term);
  }

  Scaled take(Id id) { return tape_.sum(lists_.take(lists_of_[static_cast<std::size_t>(id)]), false); }

  /// The gradient of a root through these nodes, in variables; it is stored behind those of the roots before it.
  void differentiate(Id root, std::span<const Id> nodes) {
    reached_.clear();
    for (std::size_t k = nodes.size(); k-- > 0;) {
      const Id v = nodes[k];
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
    starts_[static_cast<std::size_t>(root)] = {begin, static_cast<Index>(columns_.size())};
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
  const std::size_t n_nodes_;  // those that were there before
  std::vector<bool> is_root_;  // whose gradients enter others'
  std::vector<Id> reach_;
  std::vector<std::int32_t> seen_;  // by which sweep last
  std::int32_t sweep_ = 0;
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

SymbolicMatrix gradients(Tape& tape, Partials& partials, const std::vector<Scaled>& roots) {
  return Gradients(tape, partials, roots).run();
}

}  // namespace fastexpr::tape
