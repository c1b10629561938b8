#include "io/network_reader.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "graph/errors.hpp"
#include "io/checked_json.hpp"
#include "io/format.hpp"
#include "linalg/interruption.hpp"
#include "operators/registry.hpp"
#include "operators/table_budget.hpp"

namespace fastexpr {

namespace {

double number_of(const Json& json, const std::string& where) {
  if (json.is_number()) return json.number();
  expect_members(json, {"number"}, where);
  const std::string& text = text_of(member(json, "number", where), where);
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  refuse_malformed(where, "got the number '" + text + "', expected inf, -inf or nan");
}

Attribute attribute_of(const Json& json, const std::string& where) {
  if (json.is_string()) return json.text();
  if (json.is_integer()) return integer_of(json, where);
  if (!json.is_array()) return number_of(json, where);
  bool has_floats = false;
  for (const Json& entry : json.array()) has_floats = has_floats || !entry.is_integer();
  if (!has_floats) return integers_of(json, where);
  std::vector<double> numbers;
  for (const Json& entry : json.array()) numbers.push_back(number_of(entry, where));
  return numbers;
}

Attributes attributes_of(const Json& node, const std::string& where) {
  std::map<std::string, Attribute> entries;
  const Json* json = find_member(node, "attributes");
  if (json == nullptr) return {};
  if (!json->is_object()) refuse_malformed(where, "its attributes are not an object");
  for (const auto& [name, value] : json->object()) entries.emplace(name, attribute_of(value, where));
  return Attributes(std::move(entries));
}

Tensor tensor_of(const Json& json, const Container& container, const std::string& where) {
  if (json.is_string()) return container.tensor(json.text(), where);
  expect_members(json, {"tensor", "shape"}, where);
  Tensor tensor = container.tensor(text_of(member(json, "tensor", where), where), where);
  Shape shape = shape_of(member(json, "shape", where), where);
  if (size_of(shape) != tensor.size())
    refuse_malformed(where, "a tensor of shape " + to_string(tensor.shape) + " cannot be read as " + to_string(shape));
  tensor.shape = std::move(shape);
  return tensor;
}

/// Ids of x (0) and of nodes before `end`.
std::vector<NodeId> ids_of(const Json& json, std::size_t end, const std::string& where) {
  std::vector<NodeId> ids;
  for (const Index id : integers_of(json, where)) {
    if (id < 0 || static_cast<std::size_t>(id) >= end)
      refuse_malformed(where, "it reads node " + std::to_string(id) + ", which does not come before it");
    ids.push_back(static_cast<NodeId>(id));
  }
  return ids;
}

/// Before an operator is made, because some lay out tables of the size they are promised.
void expect_sizes(const OperatorSpec& spec, const std::vector<NodeId>& inputs, const std::vector<Index>& sizes,
                  const std::string& where) {
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Index size = sizes[static_cast<std::size_t>(inputs[k])];
    if (size_of(spec.input_shapes[k]) != size)
      refuse_malformed(where, "input " + std::to_string(k) + " has " + std::to_string(size) +
                                  " numbers, its shape is said to be " + to_string(spec.input_shapes[k]));
  }
}

/// The numbers of an operator's output, if they are more than those of each thing that it is made of: a short file may promise
/// more than any memory holds.
Index growth_of(const Operator& op) {
  Index largest = 0;
  for (std::size_t k = 0; k < op.n_inputs(); ++k) largest = std::max(largest, op.input_size(k));
  for (const Tensor& constant : op.spec().constants) largest = std::max(largest, constant.size());
  return op.size() > largest ? op.size() : 0;
}

/// The nodes read so far.
struct Nodes {
  std::vector<Node> list;
  std::vector<Index> sizes;  // of x and of every node
  Index growth = 0;          // of all together
};

Node node_of(const Json& json, Nodes& nodes, const Container& container) {
  const std::size_t id = nodes.sizes.size();
  const std::string where = "node " + std::to_string(id);
  expect_members(json, {"operator", "label", "inputs", "input_shapes", "attributes", "constants"}, where);
  OperatorSpec spec;
  spec.name = text_of(member(json, "operator", where), where);
  spec.attributes = attributes_of(json, where);
  Node node;
  if (const Json* label = find_member(json, "label")) node.label = text_of(*label, where);
  if (find_member(json, "inputs") != nullptr) {
    node.inputs = ids_of(member(json, "inputs", where), id, where);
    for (const Json& shape : array_member(json, "input_shapes", where)) spec.input_shapes.push_back(shape_of(shape, where));
    if (spec.input_shapes.size() != node.inputs.size()) refuse_malformed(where, "it has not as many input_shapes as inputs");
    expect_sizes(spec, node.inputs, nodes.sizes, where);
  }
  if (find_member(json, "constants") != nullptr)
    for (const Json& constant : array_member(json, "constants", where))
      spec.constants.push_back(tensor_of(constant, container, where));
  node.op = make_operator(std::move(spec));
  nodes.growth += growth_of(*node.op);
  if (nodes.growth > format::largest_growth)
    refuse_malformed(where, "outputs that are larger than their inputs have more than 2^28 numbers up to here");
  return node;
}

std::vector<Port> ports_of(const Json& graph, const char* name) {
  std::vector<Port> ports;
  for (const Json& json : array_member(graph, name, name)) {
    expect_members(json, {"name", "shape"}, name);
    ports.push_back({text_of(member(json, "name", name), name), shape_of(member(json, "shape", name), name)});
  }
  return ports;
}

std::vector<double> bound_of(const Json& graph, const char* name, const Container& container) {
  const Json* json = find_member(graph, name);
  if (json == nullptr) return {};
  const Tensor tensor = tensor_of(*json, container, name);
  if (tensor.precision != Precision::float64 || tensor.shape.size() != 1)
    refuse_malformed(name, "got another kind of tensor, expected F64 of shape (n,)");
  return tensor.widened();
}

std::vector<std::string> units_of(const Json& graph, const char* name) {
  const Json* json = find_member(graph, name);
  return json == nullptr ? std::vector<std::string>{} : texts_of(*json, name);
}

Signature signature_of(const Json& graph, const Container& container) {
  return {ports_of(graph, "inputs"),
          ports_of(graph, "outputs"),
          texts_of(member(graph, "input_names", "its graph"), "input_names"),
          texts_of(member(graph, "output_names", "its graph"), "output_names"),
          bound_of(graph, "lower", container),
          bound_of(graph, "upper", container),
          units_of(graph, "input_units"),
          units_of(graph, "output_units")};
}

std::shared_ptr<Function> build(const Json& json, const Container& container) {
  const std::string where = "its graph";
  expect_members(json,
                 {"n_inputs", "inputs", "outputs", "input_names", "output_names", "lower", "upper", "input_units", "output_units",
                  "nodes", "output_nodes"},
                 where);
  const Index n_inputs = integer_of(member(json, "n_inputs", where), where);
  const Json::Array& list = array_member(json, "nodes", where);
  if (list.size() >= static_cast<std::size_t>(std::numeric_limits<NodeId>::max()))
    refuse_malformed(where, "it has too many nodes");
  const TableBudget budget(format::largest_tables + static_cast<Index>(container.size() / sizeof(Index)));
  Nodes nodes;
  nodes.list.reserve(list.size());
  nodes.sizes.push_back(n_inputs);
  for (const Json& node : list) {
    look_for_interruption();
    nodes.list.push_back(node_of(node, nodes, container));
    nodes.sizes.push_back(nodes.list.back().op->size());
  }
  std::vector<NodeId> outputs = ids_of(member(json, "output_nodes", where), nodes.sizes.size(), where);
  return std::make_shared<Function>(Graph(n_inputs, std::move(nodes.list), std::move(outputs)), signature_of(json, container));
}

[[noreturn]] void refuse_graph(const std::exception& error) {
  throw FileError(std::string("holds a network that this fastexpr cannot build: ") + error.what() +
                  ". If a newer fastexpr wrote it, upgrade: pip install --upgrade fastexpr");
}

}  // namespace

std::shared_ptr<Function> read_function(const Container& container) {
  const Json json = parse_json(container.graph(), "its graph");
  try {
    return build(json, container);
  } catch (const GraphError& error) {
    refuse_graph(error);
  } catch (const ShapeError& error) {
    refuse_graph(error);
  }
}

}  // namespace fastexpr
