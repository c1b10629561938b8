#include "nlp/kinks.hpp"

#include <algorithm>

#include "nlp/network.hpp"
#include "nlp/opcodes.hpp"

namespace fastexpr::nlp {

using tape::Scaled;
using tape::Tape;

namespace {

/// The network that is called, where it has kinks and derivatives. What has none is constant piece by piece: no cell helps.
std::shared_ptr<const Function> kinked_network(const Tape& tape, const tape::Call& call) {
  const auto* network = dynamic_cast<const Network*>(&tape.external(call));
  const bool is_kinked =
      network != nullptr && network->function()->branch_size() > 0 && !tape.jacobian_entries(call.target).entries.empty();
  return is_kinked ? network->function() : nullptr;
}

bool varies(const Tape& tape, const tape::Call& call) {
  return std::any_of(call.inputs.begin(), call.inputs.end(), [&](Scaled input) { return tape.node(input.id).depends; });
}

}  // namespace

Branch TapeKink::branch_above() const { return opcode == maximum || opcode == less || opcode == less_equal ? 0 : 1; }

Branch TapeKink::branch_at(double argument) const {
  switch (opcode) {
    case maximum:
      return argument >= 0 ? 0 : 1;
    case less:
      return argument < 0 ? 1 : 0;
    case less_equal:
      return argument <= 0 ? 1 : 0;
    case equal:
      return argument == 0 ? 1 : 0;
    default:
      return argument > 0 ? 1 : 0;
  }
}

double TapeKink::parameter(Branch branch) const {
  if (opcode == abs) return branch == 1 ? 1.0 : -1.0;
  if (opcode == minimum || opcode == maximum) return 1.0 - branch;  // whether it is the first
  return branch;
}

bool TapeKink::has_walls() const { return opcode != equal; }

bool TapeKink::is_step() const { return opcode == less || opcode == less_equal || opcode == equal; }

bool Kinks::has_branches(std::uint8_t opcode) {
  return opcode == abs || opcode == minimum || opcode == maximum || opcode == less || opcode == less_equal || opcode == equal;
}

bool Kinks::are_in(const Tape& tape) {
  for (tape::Id id = tape.n_leaves(); id < tape.size(); ++id) {
    const tape::Node& node = tape.node(id);
    if (!node.depends) continue;
    for (const std::uint8_t opcode : {abs, minimum, maximum, less, less_equal})
      if (node.operation == opcode_table[opcode].operation) return true;
  }
  return std::any_of(tape.calls().begin(), tape.calls().end(),
                     [&](const tape::Call& call) { return varies(tape, call) && kinked_network(tape, call) != nullptr; });
}

Kinks::Kinks(const Statement& statement) {
  for (std::size_t i = 0; i < std::min(statement.opcodes.size(), statement.counts.size()); ++i) {
    const Index count = std::max(statement.counts[i], 0);
    if (has_branches(statement.opcodes[i])) most_branches_ += count;
    if (has_branches(statement.opcodes[i]) || statement.opcodes[i] == call) most_roots_ += count;  // of a call: inputs, an output
  }
}

Scaled Kinks::on_branch(std::uint8_t opcode, Scaled a, Scaled b, Tape& tape) {
  const auto [known, is_new] = known_.try_emplace({opcode, a.scale, a.id, b.scale, b.id}, of_tape_.size());
  if (is_new) {
    of_tape_.push_back({opcode});
    arguments_.push_back(opcode == abs ? a : tape.plus(a, {-b.scale, b.id}));
  }
  const Index first = tape.n_parameters() - most_branches_;
  const Scaled branch = Tape::as_scaled(tape.parameter(first + static_cast<Index>(known->second)));
  if (opcode == abs) return tape.product(branch, a);
  if (opcode == minimum || opcode == maximum) return tape.apply(tape::Operation::select, branch, a, b);
  return branch;
}

/// Of every node, how many units stand one behind the other before it. Arguments come before what is made of their branches.
std::vector<std::int32_t> Kinks::find_ranks(const Tape& tape) {
  std::vector<std::int32_t> ranks(static_cast<std::size_t>(tape.size()), 0);
  const tape::Id first_branch = tape.parameter(tape.n_parameters() - most_branches_);
  const auto behind = [&](tape::Id id) {
    const bool is_branch = id >= first_branch && id < first_branch + static_cast<tape::Id>(of_tape_.size());
    if (!is_branch) return ranks[static_cast<std::size_t>(id)];
    return ranks[static_cast<std::size_t>(arguments_[static_cast<std::size_t>(id - first_branch)].id)] + 1;
  };
  for (tape::Id id = tape.n_leaves(); id < tape.size(); ++id) {
    const tape::Node& node = tape.node(id);
    std::int32_t& rank = ranks[static_cast<std::size_t>(id)];
    tape.for_operands(node, [&](tape::Id operand) { rank = std::max(rank, behind(operand)); });
    if (node.operation != tape::Operation::given) continue;
    const tape::Call& call = tape.calls()[static_cast<std::size_t>(node.a)];
    for (const Scaled input : call.inputs) rank = std::max(rank, behind(input.id));
    if (const auto function = kinked_network(tape, call)) rank += function->kink_structure().depth;
  }
  return ranks;
}

void Kinks::finish(Tape& tape, std::vector<Scaled>& roots) {
  const auto append = [&](Scaled root) {
    roots.push_back(root);
    return static_cast<std::int32_t>(roots.size()) - 2;  // the first root is no row
  };
  const std::vector<std::int32_t> ranks = find_ranks(tape);
  for (std::size_t k = 0; k < of_tape_.size(); ++k) {
    of_tape_[k].row = append(arguments_[k]);
    of_tape_[k].rank = ranks[static_cast<std::size_t>(arguments_[k].id)];
  }
  std::map<tape::Id, std::int32_t> rows;
  for (std::size_t c = 0; c < tape.calls().size(); ++c) {
    const tape::Call& call = tape.calls()[c];
    const std::shared_ptr<const Function> function = varies(tape, call) ? kinked_network(tape, call) : nullptr;
    if (function == nullptr) continue;
    KinkedCall kinked{static_cast<Index>(c), function, {}, 0};
    for (const Scaled input : call.inputs) {
      kinked.rank = std::max(kinked.rank, ranks[static_cast<std::size_t>(input.id)]);
      kinked.inputs.push_back({input.scale, -1, -1});
      if (tape.is_variable(input.id)) {
        kinked.inputs.back().variable = input.id - 1;
      } else if (tape.node(input.id).depends) {
        const auto [row, is_new] = rows.try_emplace(input.id, 0);
        if (is_new) row->second = append(Tape::as_scaled(input.id));
        kinked.inputs.back().row = row->second;
      }
    }
    // An output is a root, so that derivatives of the call are there even where only conditions depend on it.
    append(Tape::as_scaled(call.first_output + tape.jacobian_entries(call.target).entries.front().row));
    calls_.push_back(std::move(kinked));
  }
}

}  // namespace fastexpr::nlp
