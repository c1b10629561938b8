#include <algorithm>
#include <utility>

#include "linalg/interruption.hpp"
#include "tape/derivatives.hpp"
#include "tape/pairs.hpp"

// Let L be the Lagrangian as a function of all nodes that are not eliminated yet: its second-order part is the quadratic form
// sum W_pq dp dq over pairs of nodes. Nodes are eliminated from the last to the first. Eliminating v = phi(u_1, ..., u_K) puts
// dv = sum_k phi'_k du_k into the form (push), adds adjoint_v phi''_kl du_k du_l (create), and adds adjoint_v phi'_k to the
// adjoints. When only variables are left, W is the Hessian. W_pq stands for the pair in both orders; W_pp once.
//
// Pushing a node v of K operands makes K^2 / 2 entries of one. Where K is large, v is a hub: its pairs stay, with v in the place
// of a variable, and its gradient puts them where they belong at each point. For the same reason the second derivatives of a call
// at variables are not taken apart.

namespace fastexpr::tape {

namespace {

class EdgePushing {
 public:
  EdgePushing(Tape& tape, Partials& partials)
      : tape_(tape),
        partials_(partials),
        n_nodes_(partials.n_nodes()),
        pairs_(n_nodes_),
        adjoints_(n_nodes_, TermLists::empty),
        weights_(tape.calls().size()) {
    find_curved();
  }

  LagrangianHessian run(const std::vector<Scaled>& roots) {
    for (std::size_t i = 0; i < roots.size(); ++i)
      add_adjoint(roots[i].id, {roots[i].scale, tape_.weight(static_cast<Index>(i)), Tape::one});
    for (auto v = static_cast<Id>(n_nodes_); v-- > tape_.n_leaves();) {
      look_for_interruption();
      eliminate(v);
    }
    collect();
    std::vector<Scaled> hubs;
    for (const Id hub : hubs_) hubs.push_back(Tape::as_scaled(hub));
    result_.hubs = gradients(tape_, partials_, hubs);
    return std::move(result_);
  }

 private:
  static constexpr std::size_t few_operands = 32;

  /// Nodes that are not affine in the variables: only their adjoints matter.
  void find_curved() {
    is_curved_.assign(n_nodes_, false);
    for (auto v = static_cast<std::size_t>(tape_.n_leaves()); v < n_nodes_; ++v) {
      const Node& node = tape_.node(static_cast<Id>(v));
      if (!node.depends) continue;
      bool is_curved = node.operation != Operation::sum && node.operation != Operation::given;
      if (node.operation == Operation::given) {
        is_curved = has_curvature(node.a);
        for (const Scaled& input : tape_.calls()[static_cast<std::size_t>(node.a)].inputs)
          is_curved = is_curved || is_curved_[static_cast<std::size_t>(input.id)];
      } else if (!is_curved) {
        for (const Term& t : tape_.terms(node)) {
          const bool a_depends = tape_.node(t.a).depends, b_depends = tape_.node(t.b).depends;
          is_curved = is_curved || (a_depends && b_depends) || is_curved_[static_cast<std::size_t>(t.a)] ||
                      is_curved_[static_cast<std::size_t>(t.b)];
        }
      }
      is_curved_[v] = is_curved;
    }
  }

  bool has_curvature(Index call) const {
    return !tape_.hessian_entries(tape_.calls()[static_cast<std::size_t>(call)].target).entries.empty();
  }

  void add_adjoint(Id id, const Term& term) {
    if (is_curved_[static_cast<std::size_t>(id)]) lists_.add(adjoints_[static_cast<std::size_t>(id)], term);
  }

  Scaled take(TermLists::Head head) { return tape_.sum(lists_.take(head), false); }

  void eliminate(Id v) {
    if (!pairs_.is_empty(v)) push(v);
    if (!is_curved_[static_cast<std::size_t>(v)]) return;
    const Scaled adjoint = take(std::exchange(adjoints_[static_cast<std::size_t>(v)], TermLists::empty));
    const Node node = tape_.node(v);
    const bool is_output = node.operation == Operation::given;
    if (is_output) keep_weight(node, adjoint);
    if (!adjoint.is_zero()) {
      if (!is_output) create(partials_.second(v), adjoint);
      for (const Partial& partial : partials_.first(v)) add_adjoint(partial.operand, Tape::term(partial.derivative, adjoint));
    }
    if (is_output && node.c == 0 && has_curvature(node.a)) create_of_call(node.a);
  }

  void create(const std::vector<SecondPartial>& seconds, Scaled adjoint) {
    for (const SecondPartial& second : seconds) pairs_.add(second.a, second.b, Tape::term(second.derivative, adjoint), lists_);
  }

  void keep_weight(const Node& output, Scaled adjoint) {
    std::vector<Scaled>& weights = weights_[static_cast<std::size_t>(output.a)];
    const Call& call = tape_.calls()[static_cast<std::size_t>(output.a)];
    weights.resize(static_cast<std::size_t>(tape_.external(call).n_outputs()));
    weights[static_cast<std::size_t>(output.c)] = adjoint;
  }

  void create_of_call(Index number) {
    std::vector<Scaled> weights = std::move(weights_[static_cast<std::size_t>(number)]);
    if (std::all_of(weights.begin(), weights.end(), [](Scaled w) { return w.is_zero(); })) return;
    tape_.set_call_weights(number, std::move(weights));
    const std::vector<Scaled>& inputs = tape_.calls()[static_cast<std::size_t>(number)].inputs;
    const auto is_simple = [this](Scaled x) { return tape_.is_variable(x.id) || !tape_.node(x.id).depends; };
    if (std::all_of(inputs.begin(), inputs.end(), is_simple))
      result_.calls.push_back(number);
    else
      create(partials_.hessian_of_call(number), Tape::constant(1.0));
  }

  void push(Id v) {
    const std::vector<Partial> partials = merged(partials_.first(v));
    if (partials.size() > few_operands) {
      keep_as_hub(v);
      return;
    }
    pairs_.take_all(v, [&](Id p, TermLists::Head terms) {
      const Scaled w = take(terms);
      if (w.is_zero()) return;
      if (p == v) {
        push_diagonal(partials, w);
        return;
      }
      for (const auto& [u, d] : partials) {
        Term term = Tape::term(d, w);
        if (u == p) term.scale *= 2.0;
        pairs_.add(u, p, term, lists_);
      }
    });
  }

  void keep_as_hub(Id v) {
    const Id hub = pairs_.add_last();
    hubs_.push_back(v);
    pairs_.take_all(v, [&](Id p, TermLists::Head terms) {
      const Scaled w = take(terms);
      pairs_.add(hub, p == v ? hub : p, {w.scale, w.id, Tape::one}, lists_);
    });
  }

  void push_diagonal(const std::vector<Partial>& partials, Scaled w) {
    for (std::size_t k = 0; k < partials.size(); ++k) {
      const Scaled dw = tape_.product(partials[k].derivative, w);
      for (std::size_t l = 0; l <= k; ++l)
        pairs_.add(partials[k].operand, partials[l].operand, Tape::term(partials[l].derivative, dw), lists_);
    }
  }

  /// One partial for each operand.
  std::vector<Partial> merged(std::vector<Partial> partials) {
    std::stable_sort(partials.begin(), partials.end(), [](const Partial& p, const Partial& q) { return p.operand < q.operand; });
    std::size_t n = 0;
    for (std::size_t begin = 0, end = 0; begin < partials.size(); begin = end) {
      std::vector<Term> terms;
      for (end = begin; end < partials.size() && partials[end].operand == partials[begin].operand; ++end)
        terms.push_back(Tape::term(partials[end].derivative, Tape::constant(1.0)));
      const Scaled derivative = end == begin + 1 ? partials[begin].derivative : tape_.sum(terms, true);
      if (!derivative.is_zero()) partials[n++] = {partials[begin].operand, derivative};
    }
    partials.resize(n);
    return partials;
  }

  bool is_hub(Id id) const { return static_cast<std::size_t>(id) >= n_nodes_; }
  std::int32_t number_of_hub(Id id) const { return static_cast<std::int32_t>(static_cast<std::size_t>(id) - n_nodes_); }

  void collect() {
    SymbolicMatrix& matrix = result_.entries;
    matrix.starts.push_back(0);
    std::vector<std::pair<Id, Scaled>> row;
    for (Index j = 0; j < tape_.n_variables(); ++j) {
      row.clear();
      pairs_.take_all(tape_.variable(j), [&](Id other, TermLists::Head terms) {
        const Scaled entry = take(terms);
        if (entry.is_zero()) return;
        if (is_hub(other))
          result_.with_variables.push_back({static_cast<std::int32_t>(j), number_of_hub(other), entry});
        else
          row.emplace_back(other, entry);
      });
      std::sort(row.begin(), row.end(), [](const auto& p, const auto& q) { return p.first < q.first; });
      for (const auto& [other, entry] : row) {
        matrix.columns.push_back(other - 1);
        matrix.entries.push_back(entry);
      }
      matrix.starts.push_back(static_cast<Index>(matrix.columns.size()));
    }
    for (std::size_t k = 0; k < hubs_.size(); ++k)
      pairs_.take_all(static_cast<Id>(n_nodes_ + k), [&](Id other, TermLists::Head terms) {
        const Scaled entry = take(terms);
        if (!entry.is_zero()) result_.among_hubs.push_back({static_cast<std::int32_t>(k), number_of_hub(other), entry});
      });
  }

  Tape& tape_;
  Partials& partials_;
  const std::size_t n_nodes_;  // those that were there before
  Pairs pairs_;
  TermLists lists_;
  std::vector<TermLists::Head> adjoints_;
  std::vector<std::vector<Scaled>> weights_;  // of each call's outputs
  std::vector<bool> is_curved_;
  std::vector<Id> hubs_;
  LagrangianHessian result_;
};

}  // namespace

LagrangianHessian lagrangian_hessian(Tape& tape, Partials& partials, const std::vector<Scaled>& roots) {
  return EdgePushing(tape, partials).run(roots);
}

}  // namespace fastexpr::tape
