#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>

#include "graph/errors.hpp"
#include "tape/program.hpp"

namespace fastexpr::tape {

namespace {

constexpr std::uint8_t dead = n_stages;
constexpr Id chunk_size = 4096;

/// A node's place in the order: by key, signature, id.
struct Entry {
  std::uint64_t key;  // epoch, chunk, level
  std::uint32_t signature;
  Id id;

  std::uint64_t epoch() const { return key >> 40; }
  bool operator<(const Entry& other) const {
    if (key != other.key) return key < other.key;
    return signature != other.signature ? signature < other.signature : id < other.id;
  }
};

/// A bit for each stage that wants a number, itself or for one that it needs.
using Wishes = std::uint8_t;

constexpr Wishes wish(Stage stage) { return static_cast<Wishes>(1U << static_cast<unsigned>(stage)); }

/// What both the rows and the objective's gradient want is computed with the objective, which both need.
std::uint8_t stage_for(Wishes wishes) {
  const auto has = [&](Stage stage) { return (wishes & wish(stage)) != 0; };
  if (has(Stage::values) && has(Stage::gradient)) wishes |= wish(Stage::objective);
  std::uint8_t stage = 0;
  while (stage < dead && (wishes >> stage & 1U) == 0) ++stage;
  return stage;
}

std::uint64_t key_of(std::int32_t epoch, std::int32_t chunk, std::uint16_t level) {
  return static_cast<std::uint64_t>(epoch) << 40 | static_cast<std::uint64_t>(chunk) << 16 | level;
}

/// Makes the schedule of a tape.
class Scheduler {
 public:
  Scheduler(Schedule& schedule, const Tape& tape) : schedule_(schedule), tape_(tape), n_(static_cast<std::size_t>(tape.size())) {}

  void build(const Outputs& outputs) {
    calls_.resize(orders_of_call * tape_.calls().size());
    find_stages(outputs);
    order();
    lay_out_batches();
    list_groups();
    place_nodes();
    for (std::size_t s = 0; s < n_stages; ++s) emit(s);
    for (const Outputs::Numbers& output : outputs.numbers) schedule_.gathers.push_back(gather(output.numbers));
    for (const Index call : outputs.hessians_of_calls)
      schedule_.hessians_of_calls.push_back(to_place(state_of(call, second_order).first));
    schedule_.n_numbers = static_cast<std::size_t>(next_place_);
  }

 private:
  static constexpr Id second_order = 2;
  static constexpr std::size_t orders_of_call = 3;  // value, first and second derivatives
  struct CallState {
    Wishes wishes = 0;
    std::uint8_t stage = dead;
    std::int32_t epoch = -1;  // when it is evaluated; its numbers are there from the next one on
    std::int64_t first = 0;
  };

  std::uint8_t& stage(Id id) { return stages_[static_cast<std::size_t>(id)]; }
  CallState& state_of(Index call, Id order) {
    return calls_[orders_of_call * static_cast<std::size_t>(call) + static_cast<std::size_t>(order)];
  }
  CallState& state_of(const Node& given) { return state_of(given.a, given.b); }

  template <class Body>
  void for_operands_of_call(Index number, Id order, const Body& body) {
    const Call& call = tape_.calls()[static_cast<std::size_t>(number)];
    for (const Scaled& input : call.inputs) body(input.id);
    if (order == second_order)
      for (const Scaled& weight : call.weights) body(weight.id);
  }

  /// A call's operands are looked at once for each stage that turns out to want it, however many of its numbers are wanted.
  template <class Want>
  void want_call(Index call, Id order, Wishes wishes, const Want& want) {
    CallState& state = state_of(call, order);
    if ((state.wishes | wishes) == state.wishes) return;
    state.wishes |= wishes;
    state.stage = stage_for(state.wishes);
    for_operands_of_call(call, order, want);
  }

  /// The stage of each node: operands are wanted by whatever wants the node, so theirs are among those that its stage needs.
  void find_stages(const Outputs& outputs) {
    std::vector<Wishes> wishes(n_, 0);
    stages_.assign(n_, dead);
    for (const auto& [numbers, stage] : outputs.numbers)
      for (const Scaled& number : numbers) wishes[static_cast<std::size_t>(number.id)] |= wish(stage);
    const auto wanting = [&](Wishes own) { return [&, own](Id operand) { wishes[static_cast<std::size_t>(operand)] |= own; }; };
    for (const Index call : outputs.hessians_of_calls)
      want_call(call, second_order, wish(Stage::second), wanting(wish(Stage::second)));
    for (Id id = tape_.size(); id-- > tape_.n_leaves();) {
      Wishes& own = wishes[static_cast<std::size_t>(id)];
      if (own == 0) continue;
      const Node& node = tape_.node(id);
      if (node.is_fixed) own = wish(Stage::fixed);
      stage(id) = stage_for(own);
      tape_.for_operands(node, wanting(own));
      if (node.operation == Operation::given) want_call(node.a, node.b, own, wanting(own));
    }
    for (Id id = 0; id < tape_.n_leaves(); ++id) stage(id) = stage_for(wishes[static_cast<std::size_t>(id)]);
  }

  /// Epoch, chunk and level of each node, and the order that they make.
  void order() {
    std::vector<std::int32_t> epochs(calls_.empty() ? 0 : n_, 0), chunks(n_, 0);
    std::vector<std::uint16_t> levels(n_, 0);
    std::array<Id, n_stages> counts{};
    const auto epoch_at = [&](Id operand, std::uint8_t s) {
      return stage(operand) == s && !epochs.empty() ? epochs[static_cast<std::size_t>(operand)] : 0;
    };
    for (Id id = tape_.n_leaves(); id < tape_.size(); ++id) {
      const auto v = static_cast<std::size_t>(id);
      if (stages_[v] == dead) continue;
      const Node& node = tape_.node(id);
      if (node.operation == Operation::given) {
        CallState& call = state_of(node);
        find_epoch(node.a, node.b, epoch_at);
        stages_[v] = call.stage;
        epochs[v] = call.epoch + 1;
        continue;
      }
      const std::uint8_t s = stages_[v];
      std::int32_t epoch = 0;
      tape_.for_operands(node, [&](Id operand) { epoch = std::max(epoch, epoch_at(operand, s)); });
      const std::int32_t chunk = counts[s]++ / chunk_size;
      std::uint16_t level = 0;
      tape_.for_operands(node, [&](Id operand) {
        const auto u = static_cast<std::size_t>(operand);
        if (operand < tape_.n_leaves() || stages_[u] != s || chunks[u] != chunk || epoch_at(operand, s) != epoch) return;
        if (tape_.node(operand).operation != Operation::given) level = std::max(level, static_cast<std::uint16_t>(levels[u] + 1));
      });
      if (!epochs.empty()) epochs[v] = epoch;
      chunks[v] = chunk;
      levels[v] = level;
      orders_[s].push_back({key_of(epoch, chunk, level), signature(node), id});
    }
    for (std::vector<Entry>& entries : orders_) sort(entries);
    for (std::size_t call = 0; call < tape_.calls().size(); ++call)  // those of which no node is a number
      if (state_of(static_cast<Index>(call), second_order).stage != dead)
        find_epoch(static_cast<Index>(call), second_order, epoch_at);
  }

  template <class EpochAt>
  void find_epoch(Index number, Id order, const EpochAt& epoch_at) {
    CallState& call = state_of(number, order);
    if (call.epoch >= 0) return;
    call.epoch = 0;
    for_operands_of_call(number, order, [&](Id operand) { call.epoch = std::max(call.epoch, epoch_at(operand, call.stage)); });
  }

  /// Nodes come chunk by chunk already, unless there are epochs: then each chunk is sorted for itself.
  static void sort(std::vector<Entry>& entries) {
    const auto chunk = [](const Entry& entry) { return entry.key >> 16; };
    const auto is_before = [&](const Entry& s, const Entry& t) { return chunk(s) < chunk(t); };
    if (!std::is_sorted(entries.begin(), entries.end(), is_before)) {
      std::sort(entries.begin(), entries.end());
      return;
    }
    for (auto begin = entries.begin(); begin != entries.end();) {
      const auto end = std::upper_bound(begin, entries.end(), *begin, is_before);
      std::sort(begin, end);
      begin = end;
    }
  }

  /// The same for nodes that one loop can compute.
  std::uint32_t signature(const Node& node) {
    if (!is_sum(node.operation)) return static_cast<std::uint32_t>(node.operation);
    const std::uint64_t kind = node.operation == Operation::chain_sum ? 1 : 0;
    const std::uint64_t key = kind << 63 | static_cast<std::uint64_t>(node.b) << 32 | static_cast<std::uint64_t>(node.c);
    return 256 + signatures_.emplace(key, static_cast<std::uint32_t>(signatures_.size())).first->second;
  }

  void lay_out_batches() {
    next_place_ = tape_.n_leaves();
    std::map<std::array<Index, 6>, std::vector<Index>> groups;  // stage, epoch, order, target, earlier orders' stages: calls
    for (std::size_t number = 0; number < tape_.calls().size(); ++number)
      for (Id order = 0; order <= second_order; ++order) {
        const CallState& call = state_of(static_cast<Index>(number), order);
        if (call.stage == dead) continue;
        // Calls whose earlier orders are evaluated apart stay apart, and share what is computed at a point.
        const auto earlier = [&](Id lower) { return lower < order ? state_of(static_cast<Index>(number), lower).stage : dead; };
        groups[{call.stage, call.epoch, order, tape_.calls()[number].target, earlier(0), earlier(1)}].push_back(
            static_cast<Index>(number));
      }
    for (const auto& [group, calls] : groups) {
      const External& external = *tape_.externals()[static_cast<std::size_t>(group[3])];
      const Index size = group[2] == 0   ? external.n_outputs()
                         : group[2] == 1 ? tape_.jacobian_entries(group[3]).size
                                         : tape_.hessian_entries(group[3]).size;
      const auto order = static_cast<int>(group[2]);
      const auto n_calls = static_cast<Index>(calls.size());
      Batch batch{evaluation_of(group[3], calls, order), order, {}, {}, next_place_, n_calls, external.n_outputs(), size};
      Index point = 0;
      for (const Index number : calls) {
        schedule_.call_places.push_back({number, point++, order, batch.evaluation});
        const Call& call = tape_.calls()[static_cast<std::size_t>(number)];
        state_of(number, batch.order).first = next_place_;
        next_place_ += size;
        batch.inputs.insert(batch.inputs.end(), call.inputs.begin(), call.inputs.end());
        if (batch.order == second_order) batch.weights.insert(batch.weights.end(), call.weights.begin(), call.weights.end());
      }
      batches_[static_cast<std::size_t>(group[0])].emplace_back(static_cast<std::int32_t>(group[1]), std::move(batch));
    }
  }

  /// Batches of the same calls share what is computed at a point.
  std::size_t evaluation_of(Index target, const std::vector<Index>& calls, int order) {
    const auto [found, is_new] = evaluations_.try_emplace({target, calls}, evaluations_.size(), order);
    found->second.second = std::max(found->second.second, order);
    return found->second.first;
  }

  void list_groups() {
    schedule_.groups.resize(evaluations_.size());
    for (const auto& [key, evaluation] : evaluations_)
      schedule_.groups[evaluation.first] = {key.first, static_cast<Index>(key.second.size()), evaluation.second};
  }

  void place_nodes() {
    places_.assign(n_, 0);
    for (Id id = 0; id < tape_.size(); ++id) {
      const Node& node = tape_.node(id);
      if (id < tape_.n_leaves())
        places_[static_cast<std::size_t>(id)] = id;
      else if (node.operation == Operation::given && stage(id) != dead)
        places_[static_cast<std::size_t>(id)] = to_place(state_of(node).first + node.c);
    }
    for (const std::vector<Entry>& entries : orders_)
      for (const Entry& entry : entries) places_[static_cast<std::size_t>(entry.id)] = to_place(next_place_++);
  }

  static std::int32_t to_place(std::int64_t place) {
    if (place > std::numeric_limits<std::int32_t>::max())
      throw GraphError("the model is too large: it and its derivatives have more than 2^31 numbers.");
    return static_cast<std::int32_t>(place);
  }

  std::int32_t place(Id id) const { return places_[static_cast<std::size_t>(id)]; }

  /// Runs and batches of one stage, epoch by epoch.
  void emit(std::size_t s) {
    std::int32_t last_epoch = -1;
    for (const Entry& entry : orders_[s]) last_epoch = std::max(last_epoch, static_cast<std::int32_t>(entry.epoch()));
    for (const auto& [epoch, batch] : batches_[s]) last_epoch = std::max(last_epoch, epoch);
    auto begin = orders_[s].cbegin();
    const auto stop = orders_[s].cend();
    auto next_batch = batches_[s].begin();
    for (std::int32_t epoch = 0; epoch <= last_epoch; ++epoch) {
      while (begin != stop && static_cast<std::int32_t>(begin->epoch()) == epoch) {
        auto end = begin + 1;
        while (end != stop && end->key == begin->key && end->signature == begin->signature) ++end;
        emit_run(begin, end);
        begin = end;
      }
      for (; next_batch != batches_[s].end() && next_batch->first == epoch; ++next_batch) emit_batch(next_batch->second);
      schedule_.epochs.push_back({schedule_.runs.size(), schedule_.batches.size()});
    }
    schedule_.epochs_end[s] = schedule_.epochs.size();
    std::vector<Entry>().swap(orders_[s]);
  }

  void emit_run(std::vector<Entry>::const_iterator begin, std::vector<Entry>::const_iterator end) {
    const Node& node = tape_.node(begin->id);
    const auto count = static_cast<std::int32_t>(end - begin);
    const bool has_terms = is_sum(node.operation);
    schedule_.runs.push_back({node.operation, place(begin->id), count, has_terms ? node.b : 0, has_terms ? node.c : 0,
                              static_cast<std::int64_t>(schedule_.operands.size()),
                              static_cast<std::int64_t>(schedule_.run_scales.size())});
    schedule_.n_instructions += count;
    std::int32_t n_operands = 0;
    tape_.for_operands(node, [&](Id) { ++n_operands; });
    columns_.resize(static_cast<std::size_t>(n_operands) * static_cast<std::size_t>(count));
    std::size_t row = 0;
    for (auto entry = begin; entry != end; ++entry, ++row) {
      std::size_t place_in = row;
      tape_.for_operands(tape_.node(entry->id), [&](Id operand) {
        columns_[place_in] = place(operand);
        place_in += static_cast<std::size_t>(count);
      });
    }
    for (std::int32_t k = 0; k < n_operands; ++k)
      emit_operand({columns_.data() + std::int64_t{k} * count, static_cast<std::size_t>(count)});
    if (!has_terms) return;
    for (std::int32_t t = 0; t < node.b + node.c; ++t) emit_scale(begin, end, static_cast<std::size_t>(t));
  }

  void emit_operand(std::span<const std::int32_t> places) {
    const std::int32_t first = places[0], stride = places.size() > 1 ? places[1] - first : 0;
    bool is_strided = true;
    for (std::size_t i = 1; i < places.size() && is_strided; ++i) is_strided = places[i] - places[i - 1] == stride;
    const auto indices = static_cast<std::int64_t>(schedule_.indices.size());
    schedule_.operands.push_back({first, stride, is_strided ? -1 : indices});
    if (!is_strided) schedule_.indices.insert(schedule_.indices.end(), places.begin(), places.end());
  }

  void emit_scale(std::vector<Entry>::const_iterator begin, std::vector<Entry>::const_iterator end, std::size_t t) {
    const auto scale = [&](const Entry& entry) { return tape_.terms(tape_.node(entry.id))[t].scale; };
    const double first = scale(*begin);
    const bool is_same = std::all_of(begin, end, [&](const Entry& entry) { return scale(entry) == first; });
    const auto scales = static_cast<std::int64_t>(schedule_.scales.size());
    schedule_.run_scales.push_back({first, is_same ? -1 : scales});
    if (!is_same)
      for (auto entry = begin; entry != end; ++entry) schedule_.scales.push_back(scale(*entry));
  }

  void emit_batch(Batch& batch) {
    for (std::vector<Scaled>* list : {&batch.inputs, &batch.weights})
      for (Scaled& number : *list) number.id = place(number.id);
    schedule_.batches.push_back(std::move(batch));
  }

  Gather gather(const std::vector<Scaled>& outputs) const {
    Gather result;
    result.scales.reserve(outputs.size());
    result.places.reserve(outputs.size());
    for (const Scaled& output : outputs) {
      result.scales.push_back(output.scale);
      result.places.push_back(place(output.id));
    }
    return result;
  }

  Schedule& schedule_;
  const Tape& tape_;
  const std::size_t n_;
  std::vector<std::uint8_t> stages_;
  std::vector<CallState> calls_;  // by call and order
  std::array<std::vector<Entry>, n_stages> orders_;
  std::unordered_map<std::uint64_t, std::uint32_t> signatures_;
  std::array<std::vector<std::pair<std::int32_t, Batch>>, n_stages> batches_;                // with their epochs, ascending
  std::map<std::pair<Index, std::vector<Index>>, std::pair<std::size_t, int>> evaluations_;  // by target and calls: number, order
  std::vector<std::int32_t> places_, columns_;
  std::int64_t next_place_ = 0;
};

}  // namespace

std::shared_ptr<const Schedule> make_schedule(const Tape& tape, const Outputs& outputs) {
  auto schedule = std::make_shared<Schedule>();
  schedule->n_variables = tape.n_variables();
  schedule->n_parameters = tape.n_parameters();
  schedule->externals = tape.externals();
  Scheduler(*schedule, tape).build(outputs);
  return schedule;
}

}  // namespace fastexpr::tape
