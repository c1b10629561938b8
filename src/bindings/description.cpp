#include "bindings/description.hpp"

#include "bindings/arguments.hpp"
#include "function/simplify.hpp"
#include "graph/decimal.hpp"

namespace fastexpr::bindings {

namespace {

std::vector<Port> ports_from(const py::iterable& list) {
  std::vector<Port> ports;
  for (const py::handle entry : list) {
    const auto port = py::reinterpret_borrow<py::sequence>(entry);
    ports.push_back({port[0].cast<std::string>(), shape_from(py::object(port[1]))});
  }
  return ports;
}

std::vector<std::string> texts_from(const py::iterable& list) {
  std::vector<std::string> texts;
  for (const py::handle entry : list) texts.push_back(entry.cast<std::string>());
  return texts;
}

std::optional<std::vector<std::string>> optional_names(const py::object& list) {
  if (list.is_none()) return std::nullopt;
  return texts_from(list);
}

std::vector<std::string> optional_texts(const py::object& list) {
  return list.is_none() ? std::vector<std::string>{} : texts_from(list);
}

std::vector<double> optional_numbers(const py::object& source, const char* what) {
  if (source.is_none()) return {};
  const Numbers numbers = numbers_from(source, what);
  return {numbers.data(), numbers.data() + numbers.size()};
}

}  // namespace

std::shared_ptr<Function> function_from_nodes(Index n_inputs, const py::iterable& nodes, const py::iterable& output_ids,
                                              const py::iterable& inputs, const py::iterable& outputs,
                                              const py::object& input_names, const py::object& output_names,
                                              const py::object& lower, const py::object& upper, const py::object& input_units,
                                              const py::object& output_units) {
  std::vector<Node> list;
  for (const py::handle entry : nodes) {
    const auto node = py::reinterpret_borrow<py::sequence>(entry);
    std::vector<NodeId> ids;
    for (const py::handle id : py::object(node[1])) ids.push_back(id.cast<NodeId>());
    list.push_back({shared_from<Operator>(py::object(node[0])), std::move(ids), py::object(node[2]).cast<std::string>()});
  }
  std::vector<NodeId> ids;
  for (const py::handle id : output_ids) ids.push_back(id.cast<NodeId>());
  simplify(list, ids);
  Signature signature{ports_from(inputs),
                      ports_from(outputs),
                      optional_names(input_names),
                      optional_names(output_names),
                      optional_numbers(lower, "lower"),
                      optional_numbers(upper, "upper"),
                      optional_texts(input_units),
                      optional_texts(output_units)};
  return std::make_shared<Function>(Graph(n_inputs, std::move(list), std::move(ids)), std::move(signature));
}

py::list nodes_of(const Function& function) {
  py::list nodes;
  for (NodeId id = 1; id < function.graph().n_nodes(); ++id) {
    const Node& node = function.graph().node(id);
    py::list inputs;
    for (const NodeId input : node.inputs) inputs.append(input);
    nodes.append(py::make_tuple(as_holder(node.op), inputs, node.label));
  }
  return nodes;
}

py::dict ports_of(const std::vector<Port>& ports) {
  py::dict result;
  for (const Port& port : ports) result[py::str(port.name)] = tuple_from(port.shape);
  return result;
}

py::tuple names_of(Index count, const std::function<std::string(Index)>& name) {
  py::tuple result(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i) result[static_cast<std::size_t>(i)] = name(i);
  return result;
}

py::object units_of(const std::vector<std::string>& units) {
  if (units.empty()) return py::none();
  py::tuple result(units.size());
  for (std::size_t i = 0; i < units.size(); ++i)
    result[i] = units[i].empty() ? py::object(py::none()) : py::object(py::str(units[i]));
  return result;
}

py::object bound_of(const std::vector<double>& bound) {
  if (bound.empty()) return py::none();
  Numbers array(std::vector<Index>{static_cast<Index>(bound.size())}, bound.data());
  array.attr("flags").attr("writeable") = false;
  return array;
}

namespace {

std::string with_unit(Index bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  int unit = 0;
  for (; amount >= 1024 && unit < 4; ++unit) amount /= 1024;
  return decimal(amount, 3) + " " + units[unit];
}

std::string with_commas(Index number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

}  // namespace

std::string represent(const Function& function) {
  const auto describe = [](const std::vector<Port>& ports) {
    std::string text;
    for (const Port& port : ports) text += (text.empty() ? "" : ", ") + port.name + " " + to_string(port.shape);
    return text;
  };
  return "<fastexpr.Function " + describe(function.signature().inputs) + " -> " + describe(function.signature().outputs) + "; " +
         with_commas(function.graph().n_nodes() - 1) + " nodes, " + with_commas(function.graph().n_parameters()) +
         " parameters, workspace " + with_unit(function.workspace_bytes(1)) + " (Hessian" +
         (function.is_hessian_planned() ? " by " + function.hessian_ways().chosen : "") + ": " +
         with_unit(function.workspace_bytes(2)) + ")>";
}

}  // namespace fastexpr::bindings
