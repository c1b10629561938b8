#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "function/function.hpp"
#include "fuzzing.hpp"
#include "io/format.hpp"
#include "io/hash64.hpp"
#include "io/network_file.hpp"

// Saved networks. Mutations change what is inside, and put checksums and lengths right again: what a file says is tried, not
// whether its checksums are compared.

using namespace fastexpr;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t largest);

namespace {

using Json = nlohmann::json;

constexpr std::size_t largest_array = 1'000'000;  // of numbers that are evaluated: larger ones are only read

void evaluate(const Function& function) {
  const auto n = static_cast<std::size_t>(function.n_inputs()), m = static_cast<std::size_t>(function.n_outputs());
  if (n > largest_array || m > largest_array || n * (m + n) > largest_array) return;
  if (function.workspace_bytes(2) > 100'000'000) return;
  const std::vector<double> x(n, 0.25), weights(m, 1.0), lower(n, -1.0), upper(n, 2.0);
  std::vector<double> value(m), jacobian(m * n), hessian(n * n), y(m), bounds(2 * m);
  function.evaluate(
      {.x = x.data(), .weights = weights.data(), .value = value.data(), .jacobian = jacobian.data(), .hessian = hessian.data()});
  function.evaluate({.x = x.data(), .value = y.data()});
  function.bounds({1, lower.data(), upper.data()}, BoundsMethod::linear, bounds.data(), bounds.data() + m);
  for (std::size_t k = 0; k < m; ++k)
    fuzzing::expect(!(y[k] < bounds[k] - 1e-9 * std::abs(y[k]) || y[k] > bounds[m + k] + 1e-9 * std::abs(y[k])),
                    "a value outside of its bounds");
}

void write_digits(std::string& text, std::string_view before, const std::string& digits) {
  const std::size_t at = text.find(before);
  if (at != std::string::npos) text.replace(at + before.size(), 16, digits);
}

/// A file of these parts, whose lengths, offsets and checksums fit.
std::string put_together(Json header, std::string graph, const std::string& weights) {
  graph.append((64 - graph.size() % 64) % 64, ' ');
  Json& entries = header;
  const Json metadata = entries["__metadata__"];
  entries.erase("__metadata__");
  if (entries.contains("graph") && entries["graph"].is_object() && entries["graph"].contains("data_offsets") &&
      entries["graph"]["data_offsets"].is_array() && entries["graph"]["data_offsets"].size() == 2 &&
      entries["graph"]["data_offsets"][1].is_number_integer()) {
    const auto old_size = entries["graph"]["data_offsets"][1].get<std::int64_t>();
    const auto shift = static_cast<std::uint64_t>(graph.size()) - static_cast<std::uint64_t>(old_size);
    for (auto& [name, entry] : entries.items()) {
      if (name == "graph" || !entry.is_object() || !entry.contains("data_offsets") || !entry["data_offsets"].is_array()) continue;
      for (Json& offset : entry["data_offsets"])
        if (offset.is_number_integer())
          offset = static_cast<std::int64_t>(static_cast<std::uint64_t>(offset.get<std::int64_t>()) + shift);
    }
    entries["graph"]["shape"] = {graph.size()};
    entries["graph"]["data_offsets"] = {0, graph.size()};
  }
  std::string text(format::before_version);
  text += std::to_string(format::version);
  text += format::before_data_size;
  text += std::to_string(graph.size() + weights.size());
  text += format::before_checksum;
  text += format::checksum_unset;
  text += R"(","graph_checksum":")" + hash_text(std::as_bytes(std::span(graph))) + R"(","weights_checksum":")" +
          hash_text(std::as_bytes(std::span(weights))) + "\"},";
  text += entries.dump(-1, ' ', false, Json::error_handler_t::replace).substr(1);
  text.append((64 - (text.size() + 8) % 64) % 64, ' ');
  write_digits(text, format::before_checksum, hash_text(std::as_bytes(std::span(text))));
  const std::uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + graph + weights;
}

std::string mutated(std::string text, std::size_t room) {
  const std::size_t size = text.size();
  text.resize(size + room);
  text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), size, text.size()));
  return text;
}

/// One change somewhere in a tree of JSON: a member dropped, doubled or replaced by one from elsewhere, a number changed.
void mutate_json(Json& root, std::uint32_t seed) {
  std::vector<Json*> all;
  const auto collect = [&](auto&& self, Json& json) -> void {
    all.push_back(&json);
    if (json.is_structured())
      for (Json& child : json) self(self, child);
  };
  collect(collect, root);
  const auto random = [&seed](std::size_t limit) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
  };
  Json& chosen = *all[random(all.size())];
  static const std::int64_t numbers[] = {0,
                                         1,
                                         -1,
                                         2,
                                         3,
                                         7,
                                         64,
                                         65536,
                                         1 << 20,
                                         std::int64_t{1} << 31,
                                         std::int64_t{1} << 40,
                                         std::numeric_limits<std::int64_t>::max(),
                                         std::numeric_limits<std::int64_t>::min()};
  if (chosen.is_number_integer()) {
    const auto old = static_cast<std::uint64_t>(chosen.get<std::int64_t>());
    chosen = random(2) ? numbers[random(std::size(numbers))] : static_cast<std::int64_t>(old + random(5) - 2);
  } else if (chosen.is_array() && !chosen.empty() && random(2)) {
    const std::size_t at = random(chosen.size());
    if (random(2)) {
      chosen.erase(at);
    } else {
      chosen.push_back(Json(chosen[at]));
    }
  } else if (chosen.is_object() && !chosen.empty() && random(2)) {
    auto at = chosen.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random(chosen.size())));
    chosen.erase(at);
  } else {
    const Json other = *all[random(all.size())];
    if (other.dump().size() < 2000) chosen = other;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzzing::refusable([&] {
    const auto function = from_bytes(std::as_bytes(std::span(data, size)));
    const std::string again = to_bytes(*function);
    fuzzing::expect(content_hash(*from_bytes(std::as_bytes(std::span(again)))) == content_hash(*function),
                    "a network that is saved again is another one");
    evaluate(*function);
  });
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t largest, unsigned int seed) {
  const auto plain = [&] { return LLVMFuzzerMutate(data, size, largest); };
  if (seed % 16 == 0 || size < 16) return plain();
  std::uint64_t length = 0;
  std::memcpy(&length, data, sizeof length);
  if (length > size - 8) return plain();
  const std::string file(reinterpret_cast<const char*>(data), size);
  Json header = Json::parse(file.substr(8, length), nullptr, false);
  if (!header.is_object() || !header.contains("__metadata__")) return plain();
  std::size_t graph_size = 0;
  const Json none = Json::object();
  const Json& graph_entry = header.contains("graph") && header["graph"].is_object() ? header["graph"] : none;
  const Json entry = graph_entry.contains("data_offsets") ? graph_entry["data_offsets"] : none;
  if (entry.is_array() && entry.size() == 2 && entry[1].is_number_unsigned()) graph_size = entry[1].get<std::size_t>();
  graph_size = std::min(graph_size, size - 8 - static_cast<std::size_t>(length));
  std::string graph = file.substr(8 + length, graph_size), weights = file.substr(8 + length + graph_size);
  graph.erase(graph.find_last_not_of(' ') + 1);
  const unsigned int part = seed / 16 % 8;
  if (part == 0) {
    mutate_json(header, seed);
  } else if (part == 1) {
    graph = mutated(graph, 64);
  } else if (part == 2) {
    weights = mutated(weights, 8);
  } else if (Json tree = Json::parse(graph, nullptr, false); !tree.is_discarded()) {
    for (unsigned int k = 0; k <= seed / 128 % 3; ++k) mutate_json(tree, seed + k);
    graph = tree.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  if (!header.is_object()) return plain();
  const std::string result = put_together(header, graph, weights);
  if (result.size() > largest) return plain();
  std::copy(result.begin(), result.end(), data);
  return result.size();
}
