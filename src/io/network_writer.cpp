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

// JSON is written as text, piece by piece: a tree would take many times the memory, and more of it in its destructor.

std::string json(std::string_view text) { return nlohmann::json(text).dump(); }
std::string json(Index number) { return std::to_string(number); }
std::string json(NodeId number) { return std::to_string(number); }
std::string json(double number) {
  if (std::isfinite(number)) return nlohmann::json(number).dump();  // as many digits as bring the same double back
  return std::isnan(number) ? R"({"number":"nan"})" : number > 0 ? R"({"number":"inf"})" : R"({"number":"-inf"})";
}

template <class Entry>
std::string json(const std::vector<Entry>& list);

/// An object, member by member.
class Object {
 public:
  void add(const std::string& name, const std::string& json_text) {
    text_.append(text_.size() > 1 ? "," : "").append(json(name)).append(":").append(json_text);
  }
  std::string text() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

std::string json(const Port& port) {
  Object object;
  object.add("name", json(port.name));
  object.add("shape", json(port.shape));
  return object.text();
}

template <class Entry>
std::string json(const std::vector<Entry>& list) {
  std::string text = "[";
  for (const Entry& entry : list) text.append(text.size() > 1 ? "," : "").append(json(entry));
  return text + "]";
}

std::string attribute_text(const Attribute& attribute) {
  return std::visit([](const auto& value) { return json(value); }, attribute);
}

std::string reference(TensorTable& tensors, const Tensor& tensor, const std::string& name) {
  const TensorTable::Entry& entry = tensors.add(tensor, name);
  if (entry.shape == tensor.shape) return json(entry.name);
  Object object;
  object.add("tensor", json(entry.name));
  object.add("shape", json(tensor.shape));
  return object.text();
}

std::string attributes_text(const Attributes& attributes) {
  Object object;
  for (const auto& [name, attribute] : attributes.entries()) object.add(name, attribute_text(attribute));
  return object.text();
}

std::string node_text(TensorTable& tensors, const Node& node, NodeId id) {
  const OperatorSpec& spec = node.op->spec();
  Object object;
  object.add("operator", json(spec.name));
  if (!node.label.empty()) object.add("label", json(node.label));
  if (!node.inputs.empty()) object.add("inputs", json(node.inputs));
  if (!node.inputs.empty()) object.add("input_shapes", json(spec.input_shapes));
  if (!spec.attributes.entries().empty()) object.add("attributes", attributes_text(spec.attributes));
  std::string constants;
  for (std::size_t k = 0; k < spec.constants.size(); ++k)
    constants.append(k > 0 ? "," : "")
        .append(reference(tensors, spec.constants[k], std::to_string(id) + "." + std::to_string(k)));
  if (!constants.empty()) object.add("constants", "[" + constants + "]");
  return object.text();
}

std::string bounds_reference(TensorTable& tensors, const std::vector<double>& bounds, const std::string& name) {
  return reference(tensors, {Precision::float64, {static_cast<Index>(bounds.size())}, bounds.data(), nullptr}, name);
}

template <class Name>
std::string names(Index count, Name name) {
  std::string text = "[";
  for (Index i = 0; i < count; ++i) text.append(i > 0 ? "," : "").append(json(name(i)));
  return text + "]";
}

std::string graph_text(TensorTable& tensors, const Function& function) {
  const Graph& graph = function.graph();
  const Signature& signature = function.signature();
  Object object;
  object.add("n_inputs", json(graph.n_inputs()));
  object.add("inputs", json(signature.inputs));
  object.add("outputs", json(signature.outputs));
  object.add("input_names", names(graph.n_inputs(), [&](Index i) { return signature.input_name(i); }));
  object.add("output_names", names(graph.n_outputs(), [&](Index i) { return signature.output_name(i); }));
  object.add("output_nodes", json(graph.outputs()));
  if (!signature.lower.empty()) object.add("lower", bounds_reference(tensors, signature.lower, "lower"));
  if (!signature.upper.empty()) object.add("upper", bounds_reference(tensors, signature.upper, "upper"));
  if (!signature.input_units.empty()) object.add("input_units", json(signature.input_units));
  if (!signature.output_units.empty()) object.add("output_units", json(signature.output_units));
  std::string nodes = "[";
  for (NodeId id = 1; id < graph.n_nodes(); ++id) {
    look_for_interruption();
    nodes.append(id > 1 ? "," : "").append(node_text(tensors, graph.node(id), id));
  }
  object.add("nodes", nodes + "]");
  return object.text();
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
    Object entry;
    entry.add("dtype", json(dtype));
    entry.add("shape", json(shape));
    entry.add("data_offsets", json(std::vector<Index>{static_cast<Index>(offset), static_cast<Index>(offset + size)}));
    entries.append(",").append(json(name)).append(":").append(entry.text());
    offset += size;
  };
  add(format::graph_tensor, "U8", {static_cast<Index>(graph.size())}, graph.size());
  for (const TensorTable::Entry& tensor : tensors) {
    add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes.size());
    weights.update(tensor.bytes);
  }
  Object metadata;
  metadata.add("format", json("fastexpr"));
  metadata.add("version", json(std::to_string(format::version)));
  metadata.add("data_size", json(std::to_string(offset)));
  metadata.add("checksum", json(format::checksum_unset));
  metadata.add("graph_checksum", json(hash_text(std::as_bytes(std::span(graph)))));
  metadata.add("weights_checksum", json(hash_text(weights)));
  std::string text = R"({"__metadata__":)" + metadata.text() + entries + "}";
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
  } catch (const nlohmann::json::type_error& error) {  // the only way to it: a text that is not UTF-8
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
