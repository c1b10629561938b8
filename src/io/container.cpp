#include "io/container.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "graph/errors.hpp"
#include "io/checked_json.hpp"
#include "io/format.hpp"
#include "io/hash64.hpp"

namespace fastexpr {

namespace {

constexpr const char* where_header = "its header";

[[noreturn]] void refuse_altered(const char* part) {
  throw FileError(std::string("was altered: the checksum of its ") + part +
                  " is wrong. Copy it again from where it came, or save the network again.");
}

std::string checksum_of(std::span<const std::byte> header, const Preamble& preamble) {
  Hash64 hash;
  hash.update(header.first(preamble.checksum_at));
  hash.update(std::as_bytes(std::span(format::checksum_unset)));
  hash.update(header.subspan(preamble.checksum_at + format::checksum_unset.size()));
  return hash_text(hash);
}

struct Entry {
  std::string name;
  std::string dtype;
  Shape shape;
  std::size_t begin;
  std::size_t end;
};

std::size_t size_of_dtype(const std::string& dtype, const std::string& where) {
  if (dtype == "U8") return 1;
  if (dtype == "F32") return 4;
  if (dtype == "F64" || dtype == "I64") return 8;
  refuse_malformed(where, "got dtype '" + dtype + "', expected U8, F32, F64 or I64");
}

Entry entry_from(const std::string& name, const Json& json) {
  const std::string where = "tensor '" + name.substr(0, 100) + "'";  // a wrong file may have names of any length
  expect_members(json, {"dtype", "shape", "data_offsets"}, where);
  const std::vector<Index> offsets = integers_of(member(json, "data_offsets", where), where);
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0])
    refuse_malformed(where, "its data_offsets are not a range");
  Entry entry{name, text_of(member(json, "dtype", where), where), shape_of(member(json, "shape", where), where),
              static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(offsets[1])};
  const std::size_t width = size_of_dtype(entry.dtype, where);
  const std::size_t expected = static_cast<std::size_t>(size_of(entry.shape)) * width;  // at most 2^43
  if (entry.end - entry.begin != expected)
    refuse_malformed(where, "its data_offsets hold " + std::to_string(entry.end - entry.begin) + " bytes, its shape " +
                                std::to_string(expected));
  if (entry.begin % width != 0) refuse_malformed(where, "its numbers are not aligned");
  return entry;
}

/// safetensors' own rule: in the order of their offsets, tensors neither overlap nor leave gaps.
void expect_complete(std::vector<Entry>& entries, std::size_t data_size) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::size_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end)
      refuse_malformed("tensor '" + entry.name + "'", entry.begin < end ? "it overlaps another" : "there is a gap before it");
    end = entry.end;
  }
  if (end != data_size)
    refuse_malformed(where_header, "the tensors end at " + std::to_string(end) + ", the data at " + std::to_string(data_size));
}

/// Weights stay where they are in the file. Indices are copied: operators check them once, so they must not change, even
/// if somebody overwrites a mapped file.
Tensor tensor_from(const Entry& entry, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner) {
  if (entry.dtype != "I64")
    return {entry.dtype == "F32" ? Precision::float32 : Precision::float64, entry.shape, bytes.data(), owner};
  std::vector<Index> indices(bytes.size() / sizeof(Index));
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(indices)).begin());
  return make_tensor(entry.shape, std::move(indices));
}

}  // namespace

Container::Container(OwnedBytes file) : file_(std::move(file)) {
  const Preamble preamble = read_preamble(file_.bytes, file_.bytes.size());
  const std::span<const std::byte> header = file_.bytes.subspan(sizeof(std::uint64_t), preamble.header_size);
  if (checksum_of(header, preamble) != preamble.checksum) refuse_altered("header");
  data_ = file_.bytes.subspan(sizeof(std::uint64_t) + preamble.header_size);

  const Json json = parse_json({reinterpret_cast<const char*>(header.data()), header.size()}, where_header);
  std::vector<Entry> entries;
  for (const auto& [name, value] : json.object())  // its first byte was compared
    if (name != "__metadata__") entries.push_back(entry_from(name, value));
  const Json& metadata = member(json, "__metadata__", where_header);
  graph_checksum_ = text_of(member(metadata, "graph_checksum", where_header), where_header);
  weights_checksum_ = text_of(member(metadata, "weights_checksum", where_header), where_header);
  expect_complete(entries, preamble.data_size);
  for (const Entry& entry : entries) {
    const std::span<const std::byte> bytes = data_.subspan(entry.begin, entry.end - entry.begin);
    if (entry.name == format::graph_tensor && entry.dtype == "U8" && entry.begin == 0) graph_ = bytes;
    if (entry.dtype != "U8") tensors_[entry.name] = tensor_from(entry, bytes, file_.owner);
  }
  if (graph_.empty()) refuse_malformed(where_header, "the tensor 'graph' is missing, or not the first one");
}

const Tensor& Container::tensor(const std::string& name, const std::string& where) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) refuse_malformed(where, "there is no tensor of numbers '" + name + "'");
  return found->second;
}

std::string_view Container::graph() const {
  if (graph_.size() > format::largest_graph) refuse_malformed("its graph", "the text is too long");
  if (hash_text(graph_) != graph_checksum_) refuse_altered("graph");
  return {reinterpret_cast<const char*>(graph_.data()), graph_.size()};
}

void Container::verify_weights() const {
  if (hash_text(data_.subspan(graph_.size())) != weights_checksum_) refuse_altered("weights");
}

}  // namespace fastexpr
