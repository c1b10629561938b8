#include "tape/tape.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "graph/errors.hpp"

namespace fastexpr::tape {

namespace {

constexpr std::uint64_t mixer = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio: Knuth's multiplicative hashing

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * mixer;
  return hash ^ (hash >> 29);
}

std::uint64_t pair_of(Id a, Id b) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(a)) << 32 | static_cast<std::uint32_t>(b);
}

std::uint32_t folded(std::uint64_t hash) { return static_cast<std::uint32_t>(hash ^ hash >> 32); }

std::uint32_t hash_of(const Node& node) {
  return folded(
      mix(mix(static_cast<std::uint64_t>(node.operation) * mixer, pair_of(node.a, node.b)), static_cast<std::uint64_t>(node.c)));
}

std::uint32_t hash_of(const std::vector<Term>& terms) {
  std::uint64_t result = terms.size() * mixer;
  for (const Term& t : terms) result = mix(mix(result, std::bit_cast<std::uint64_t>(t.scale)), pair_of(t.a, t.b));
  return folded(result);
}

Id last_operand(std::span<const Term> terms) {
  Id last = 0;
  for (const Term& t : terms) last = std::max({last, t.a, t.b});
  return last;
}

bool is_same(const Term& s, const Term& t) { return s.scale == t.scale && s.a == t.a && s.b == t.b; }

}  // namespace

Tape::Tape(Index n_variables, Index n_parameters, Index n_rows, std::vector<ExternalPointer> externals)
    : n_variables_(n_variables),
      n_parameters_(n_parameters),
      n_weights_(1 + n_rows),
      externals_(std::move(externals)),
      jacobian_entries_(externals_.size()),
      hessian_entries_(externals_.size()) {
  constexpr Index most = std::numeric_limits<Id>::max() / 16;
  if (n_variables > most || n_parameters > most || n_rows > most)
    throw GraphError("the model is too large: got " + std::to_string(n_variables) + " variables and " + std::to_string(n_rows) +
                     " constraints.");
  append({Operation::one, false, true, 0, 0, 0});
  for (Index j = 0; j < n_variables_; ++j) append({Operation::variable, true, false, static_cast<Id>(j), 0, 0});
  for (Index k = 0; k < n_parameters_; ++k) append({Operation::parameter, false, true, static_cast<Id>(k), 0, 0});
  for (Index i = 0; i < n_weights_; ++i) append({Operation::weight, false, false, static_cast<Id>(i), 0, 0});
  table_.resize(1024);
}

const External::Entries& Tape::jacobian_entries(Index target) const {
  const auto t = static_cast<std::size_t>(target);
  if (!jacobian_entries_[t]) jacobian_entries_[t] = externals_[t]->jacobian_entries();
  return *jacobian_entries_[t];
}

const External::Entries& Tape::hessian_entries(Index target) const {
  const auto t = static_cast<std::size_t>(target);
  if (!hessian_entries_[t]) hessian_entries_[t] = externals_[t]->hessian_entries();
  return *hessian_entries_[t];
}

Scaled Tape::sum(std::vector<Term>& terms, bool is_shared) {
  double constant_part = 0.0;
  std::size_t n = 0;
  for (Term t : terms) {
    if (t.scale == 0.0) continue;
    if (t.a == one) std::swap(t.a, t.b);
    if (t.a == one)
      constant_part += t.scale;
    else
      terms[n++] = t;
  }
  terms.resize(n);
  if (n == 0) return constant(constant_part);
  if (n == 1 && constant_part == 0.0) {
    const Term t = terms[0];
    if (t.b == one) return {t.scale, t.a};
    terms[0] = {1.0, std::min(t.a, t.b), std::max(t.a, t.b)};
    return {t.scale, find_or_append_sum(terms, 0, true)};
  }
  const auto bilinear = std::stable_partition(terms.begin(), terms.end(), [](const Term& t) { return t.b == one; });
  auto n_linear = static_cast<Id>(bilinear - terms.begin());
  if (constant_part != 0.0) {
    terms.insert(bilinear, Term{constant_part, one, one});
    ++n_linear;
  }
  return as_scaled(find_or_append_sum(terms, n_linear, is_shared));
}

Scaled Tape::product(Scaled a, Scaled b) {
  if (a.is_zero() || b.is_zero()) return constant(0.0);
  if (a.id == one) return {a.scale * b.scale, b.id};
  if (b.id == one) return {a.scale * b.scale, a.id};
  std::vector<Term> terms{term(a, b)};
  return sum(terms, true);
}

Scaled Tape::plus(Scaled a, Scaled b) {
  std::vector<Term> terms{term(a, constant(1.0)), term(b, constant(1.0))};
  return sum(terms, true);
}

Scaled Tape::apply(Operation operation, Scaled a, Scaled b, Scaled c) {
  const bool has_b = !is_unary(operation), has_c = operation == Operation::select;
  if (is_constant(a) && (!has_b || is_constant(b)) && (!has_c || is_constant(c)))
    return constant(evaluate(operation, a.scale, b.scale, c.scale));
  Node node{operation, false, true, materialize(a), has_b ? materialize(b) : one, has_c ? materialize(c) : one};
  for (const Id operand : {node.a, node.b, node.c}) {
    const Node& other = nodes_[static_cast<std::size_t>(operand)];
    node.depends = node.depends || other.depends;
    node.is_fixed = node.is_fixed && other.is_fixed;
  }
  return as_scaled(find_or_append(node));
}

Scaled Tape::power(Scaled base, Scaled exponent) {
  if (is_constant(exponent)) {
    const double p = exponent.scale;
    if (p == 0.0) return constant(1.0);
    if (p == 1.0) return base;
    if (p == 2.0) return product(base, base);
    if (p == 0.5) return apply(Operation::sqrt, base);
    if (p == -1.0) return apply(Operation::reciprocal, base);
  }
  return apply(Operation::power, base, exponent);
}

Id Tape::materialize(Scaled x) {
  if (x.scale == 1.0) return x.id;
  std::vector<Term> terms{{x.scale, x.id, one}};
  return find_or_append_sum(terms, 1, true);
}

Index Tape::call(Index target, const std::vector<Scaled>& inputs) {
  std::uint64_t hash = mix(mixer, static_cast<std::uint64_t>(target));
  bool depends = false, is_fixed = true;
  for (const Scaled& input : inputs) {
    hash = mix(mix(hash, static_cast<std::uint64_t>(input.id)), std::bit_cast<std::uint64_t>(input.scale));
    depends = depends || node(input.id).depends;
    is_fixed = is_fixed && node(input.id).is_fixed;
  }
  const auto [begin, end] = calls_by_hash_.equal_range(hash);
  for (auto found = begin; found != end; ++found) {
    const Call& known = calls_[static_cast<std::size_t>(found->second)];
    const auto is_equal = [](const Scaled& x, const Scaled& y) { return x.id == y.id && x.scale == y.scale; };
    if (known.target == target && std::equal(inputs.begin(), inputs.end(), known.inputs.begin(), known.inputs.end(), is_equal))
      return found->second;
  }
  const auto number = static_cast<Index>(calls_.size());
  calls_by_hash_.emplace(hash, number);
  calls_.push_back({target, inputs, size(), {}});
  const Index m = externals_[static_cast<std::size_t>(target)]->n_outputs();
  for (Index k = 0; k < m; ++k) append({Operation::given, depends, is_fixed, static_cast<Id>(number), 0, static_cast<Id>(k)});
  return number;
}

Scaled Tape::given(Index call, int order, Index place) {
  return as_scaled(append({Operation::given, true, false, static_cast<Id>(call), order, static_cast<Id>(place)}));
}

Id Tape::append(const Node& node) {
  if (nodes_.size() >= static_cast<std::size_t>(std::numeric_limits<Id>::max()) || terms_.size() >= std::size_t{1} << 31)
    throw GraphError("the model is too large: its derivatives have more than 2^31 terms.");
  nodes_.push_back(node);
  return size() - 1;
}

/// The place of an equal node, or an empty one for it. Nodes are made in the order of their operands, more or less: near the
/// place that the last operand determines, the table is in the cache. Where that is full, anywhere.
template <class IsEqual>
Tape::Slot& Tape::find(std::uint32_t hash, Id last_operand, const IsEqual& is_equal) {
  if (2 * ++table_used_ > table_.size()) grow_table();
  const auto is_it = [&](const Slot& slot) { return slot.id == 0 || (slot.hash == hash && is_equal(node(slot.id))); };
  Slot& found = probe(hash, last_operand, is_it);
  if (found.id != 0) --table_used_;
  found.hash = hash;
  return found;
}

template <class IsIt>
Tape::Slot& Tape::probe(std::uint32_t hash, Id last_operand, const IsIt& is_it) {
  constexpr std::size_t line = 64 / sizeof(Slot), operands_a_line = line / 2;
  const std::size_t mask = table_.size() - 1;
  const std::size_t near = static_cast<std::size_t>(last_operand) / operands_a_line * line & mask;
  for (std::size_t place = near; place < near + line; ++place)
    if (is_it(table_[place])) return table_[place];
  std::size_t place = hash & mask;
  while (!is_it(table_[place])) place = (place + 1) & mask;
  return table_[place];
}

Id Tape::last_operand(const Node& node) const {
  if (!is_sum(node.operation)) return std::max({node.a, node.b, node.c});
  return tape::last_operand(terms(node));
}

void Tape::grow_table() {
  std::vector<Slot> old(4 * table_.size());
  old.swap(table_);
  for (const Slot& slot : old)
    if (slot.id != 0) probe(slot.hash, last_operand(node(slot.id)), [](const Slot& other) { return other.id == 0; }) = slot;
}

Id Tape::find_or_append(const Node& node) {
  Slot& slot = find(hash_of(node), last_operand(node), [&](const Node& known) {
    return known.operation == node.operation && known.a == node.a && known.b == node.b && known.c == node.c;
  });
  if (slot.id == 0) slot.id = append(node);
  return slot.id;
}

Id Tape::find_or_append_sum(const std::vector<Term>& terms, Id n_linear, bool is_shared) {
  const bool is_linear = static_cast<std::size_t>(n_linear) == terms.size();
  const Operation operation = has_derivatives_ && !is_linear ? Operation::chain_sum : Operation::sum;
  Slot* slot = nullptr;
  if (is_shared) {
    slot = &find(hash_of(terms), tape::last_operand(terms), [&](const Node& known) {
      if (known.operation != operation) return false;
      const auto others = this->terms(known);
      return std::equal(terms.begin(), terms.end(), others.begin(), others.end(), is_same);
    });
    if (slot->id != 0) return slot->id;
  }
  Node node{operation, false, true, static_cast<Id>(terms_.size()), n_linear, static_cast<Id>(terms.size()) - n_linear};
  for (const Term& t : terms) {
    for (const Id operand : {t.a, t.b}) {
      node.depends = node.depends || this->node(operand).depends;
      node.is_fixed = node.is_fixed && this->node(operand).is_fixed;
    }
  }
  const Id id = append(node);
  terms_.insert(terms_.end(), terms.begin(), terms.end());
  if (slot != nullptr) slot->id = id;
  return id;
}

}  // namespace fastexpr::tape
