#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "graph/errors.hpp"
#include "io/format.hpp"
#include "io/hash64.hpp"
#include "io/network_image.hpp"
#include "io/tensor_table.hpp"
#include "linalg/interruption.hpp"

// The graph as JSON, in the tensor "graph":
//
//   {"n_inputs": 4,
//    "inputs": [{"name": "x", "shape": [1, 4]}], "outputs": [...],
//    "input_names": ["x[0]", ...], "output_names": [...], "output_nodes": [7], "lower": "lower", "upper": "upper",
//    "input_units": ["K", ...], "output_units": [...],
//    "nodes": [{"operator": "Linear", "label": "Gemm_0", "inputs": [0], "input_shapes": [[1, 4]],
//               "attributes": {"axis": 1, "transposed": 0}, "constants": ["1.0", "1.1"]}, ...]}
//
// Constants and bounds are names of tensors of the file, or {"tensor": name, "shape": [...]} where the stored tensor is
// shared under another shape. What is empty is left out. Numbers that JSON has not are {"number": "inf"|"-inf"|"nan"}.

namespace fastexpr {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(double number) {
  if (std::isfinite(number)) return number;  // written with as many digits as bring the same double back
  return {{"number", std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf"}};
}

Json to_json(const Attribute& attribute) {
  return std::visit(
      [](const auto& value) -> Json {
        using Kind = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Kind, double>)
          return to_json(value);
        else if constexpr (std::is_same_v<Kind, std::vector<double>>) {
          Json list = Json::array();
          for (const double number : value) list.push_back(to_json(number));
          return list;
        } else
          return value;
      },
      attribute);
}

Json to_json(const std::vector<Port>& ports) {
  Json list = Json::array();
  for (const Port& port : ports) list.push_back({{"name", port.name}, {"shape", port.shape}});
  return list;
}

Json reference(TensorTable& tensors, const Tensor& tensor, const std::string& name) {
  const TensorTable::Entry& entry = tensors.add(tensor, name);
  if (entry.shape == tensor.shape) return entry.name;
  return {{"tensor", entry.name}, {"shape", tensor.shape}};
}

Json to_json(TensorTable& tensors, const Node& node, NodeId id) {
  const OperatorSpec& spec = node.op->spec();
  Json json = {{"operator", spec.name}};
  if (!node.label.empty()) json["label"] = node.label;
  if (!node.inputs.empty()) json["inputs"] = node.inputs;
  if (!node.inputs.empty()) json["input_shapes"] = spec.input_shapes;
  for (const auto& [name, attribute] : spec.attributes.entries()) json["attributes"][name] = to_json(attribute);
  for (std::size_t k = 0; k < spec.constants.size(); ++k)
    json["constants"].push_back(reference(tensors, spec.constants[k], std::to_string(id) + "." + std::to_string(k)));
  return json;
}

Json bounds_reference(TensorTable& tensors, const std::vector<double>& bounds, const std::string& name) {
  return reference(tensors, {Precision::float64, {static_cast<Index>(bounds.size())}, bounds.data(), nullptr}, name);
}

template <class Name>
std::vector<std::string> names(Index count, Name name) {
  std::vector<std::string> all;
  for (Index i = 0; i < count; ++i) all.push_back(name(i));
  return all;
}

// Node by node into the text: a tree of all of them would take many times the memory.
std::string graph_text(TensorTable& tensors, const Function& function) {
  const Graph& graph = function.graph();
  const Signature& signature = function.signature();
  Json json = {{"n_inputs", graph.n_inputs()},
               {"inputs", to_json(signature.inputs)},
               {"outputs", to_json(signature.outputs)},
               {"input_names", names(graph.n_inputs(), [&](Index i) { return signature.input_name(i); })},
               {"output_names", names(graph.n_outputs(), [&](Index i) { return signature.output_name(i); })},
               {"output_nodes", graph.outputs()}};
  if (!signature.lower.empty()) json["lower"] = bounds_reference(tensors, signature.lower, "lower");
  if (!signature.upper.empty()) json["upper"] = bounds_reference(tensors, signature.upper, "upper");
  if (!signature.input_units.empty()) json["input_units"] = signature.input_units;
  if (!signature.output_units.empty()) json["output_units"] = signature.output_units;
  std::string text = json.dump();
  text.back() = ',';
  text += R"("nodes":[)";
  for (NodeId id = 1; id < graph.n_nodes(); ++id) {
    look_for_interruption();
    text.append(id > 1 ? "," : "").append(to_json(tensors, graph.node(id), id).dump());
  }
  return text + "]}";
}

/// Spaces after a JSON text, so that what follows it and `before` bytes in front of it is aligned.
void pad(std::string& text, std::size_t before) {
  const std::size_t excess = (text.size() + before) % format::alignment;
  if (excess > 0) text.append(format::alignment - excess, ' ');
}

std::string header_text(const std::string& graph, const std::vector<TensorTable::Entry>& tensors) {
  Hash64 weights;
  std::size_t offset = 0;
  std::string entries;
  const auto add = [&](std::string_view name, const std::string& dtype, const Shape& shape, std::size_t size) {
    const Json entry = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", Json::array({offset, offset + size})}};
    entries.append(",").append(Json(name).dump()).append(":").append(entry.dump());
    offset += size;
  };
  add(format::graph_tensor, "U8", {static_cast<Index>(graph.size())}, graph.size());
  for (const TensorTable::Entry& tensor : tensors) {
    add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes.size());
    weights.update(tensor.bytes);
  }
  const Json metadata = {{"format", "fastexpr"},
                         {"version", std::to_string(format::version)},
                         {"data_size", std::to_string(offset)},
                         {"checksum", format::checksum_unset},
                         {"graph_checksum", hash_text(std::as_bytes(std::span(graph)))},
                         {"weights_checksum", hash_text(weights)}};
  std::string text = R"({"__metadata__":)" + metadata.dump() + entries + "}";
  pad(text, sizeof(std::uint64_t));
  return text;
}

}  // namespace

NetworkImage::NetworkImage(const Function& function) {
  try {
    TensorTable tensors;
    std::string graph = graph_text(tensors, function);
    pad(graph, 0);
    const std::vector<TensorTable::Entry> stored = tensors.in_order();
    std::string header = header_text(graph, stored);
    if (header.size() > format::largest_header || graph.size() > format::largest_graph)
      throw FileError("The network has too many nodes or constants for one file: got a header of " +
                      std::to_string(header.size()) + " bytes and a graph of " + std::to_string(graph.size()) + ", at most " +
                      std::to_string(format::largest_header) + " and " + std::to_string(format::largest_graph) +
                      " can be read. Save it in parts.");
    content_hash = hash_text(std::as_bytes(std::span(header)));
    header.replace(header.find(format::checksum_unset), content_hash.size(),
                   content_hash);  // its first place: nothing before it is free text
    const std::uint64_t length = header.size();
    head.assign(sizeof length, '\0');
    std::memcpy(head.data(), &length, sizeof length);
    head += header;
    head += graph;
    pieces.push_back(std::as_bytes(std::span(head)));
    for (const TensorTable::Entry& tensor : stored) pieces.push_back(tensor.bytes);
  } catch (const Json::type_error& error) {  // the only way to it: a text that is not UTF-8
    throw FileError(std::string("A name in the network cannot be saved: it is not valid UTF-8 (") + error.what() +
                    "). Rename it.");
  }
}

std::size_t NetworkImage::size() const {
  std::size_t size = 0;
  for (const std::span<const std::byte> piece : pieces) size += piece.size();
  return size;
}

}  // namespace fastexpr
