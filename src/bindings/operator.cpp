#include "bindings/bindings.hpp"
#include "graph/errors.hpp"
#include "operators/registry.hpp"

#include <cmath>

namespace fastexpr::bindings {

namespace {

bool is_integer(const py::handle& value) { return PyIndex_Check(value.ptr()) != 0; }

Attribute list_attribute(const py::handle& list) {
  std::vector<Index> integers;
  std::vector<double> numbers;
  bool are_all_integers = true;
  for (const py::handle entry : py::reinterpret_borrow<py::object>(list)) {
    are_all_integers = are_all_integers && is_integer(entry);
    if (are_all_integers) integers.push_back(entry.cast<Index>());
    numbers.push_back(entry.cast<double>());
  }
  if (are_all_integers) return integers;
  return numbers;
}

Attribute attribute_from(const py::handle& value) {
  if (is_integer(value)) return py::int_(py::reinterpret_borrow<py::object>(value)).cast<Index>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (PyNumber_Check(value.ptr()) != 0 && !py::isinstance<py::sequence>(value)) return value.cast<double>();
  return list_attribute(value);
}

Attributes attributes_from(const py::dict& entries) {
  std::map<std::string, Attribute> result;
  for (const auto& [name, value] : entries) {
    if (value.is_none()) continue;
    result.emplace(name.cast<std::string>(), attribute_from(value));
  }
  return Attributes(std::move(result));
}

py::dict dict_from(const Attributes& attributes) {
  py::dict result;
  for (const auto& [name, attribute] : attributes.entries()) {
    const py::str key(name);
    std::visit(
        [&](const auto& value) {
          using Kind = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<Kind, std::vector<Index>> || std::is_same_v<Kind, std::vector<double>>) {
            py::list list;
            for (const auto entry : value) list.append(entry);
            result[key] = list;
          } else {
            result[key] = value;
          }
        },
        attribute);
  }
  return result;
}

OperatorPointer operator_from(std::string name, const py::iterable& input_shapes, const py::dict& attributes,
                              const py::iterable& constants) {
  OperatorSpec spec{std::move(name), {}, attributes_from(attributes), {}};
  for (const py::handle shape : input_shapes) spec.input_shapes.push_back(shape_from(shape));
  for (const py::handle constant : constants) spec.constants.push_back(tensor_from(py::reinterpret_borrow<py::object>(constant)));
  return make_operator(std::move(spec));
}

std::shared_ptr<Operator> batched(const Operator& op, Index length, const py::iterable& which) {
  std::vector<bool> is_batched;
  for (const py::handle entry : which) is_batched.push_back(entry.cast<bool>());
  if (is_batched.size() != op.n_inputs() || length < 0)
    throw GraphError("[" + op.name() + "] got " + std::to_string(is_batched.size()) + " inputs and " + std::to_string(length) +
                     " points, expected " + std::to_string(op.n_inputs()) + " inputs and points >= 0.");
  return as_holder(make_operator(op.batched(length, is_batched)));
}

py::tuple shapes_of(const Operator& op) {
  py::tuple shapes(op.n_inputs());
  for (std::size_t k = 0; k < op.n_inputs(); ++k) shapes[k] = tuple_from(op.spec().input_shapes[k]);
  return shapes;
}

}  // namespace

void define_operator(py::module_& module) {
  py::class_<Operator, std::shared_ptr<Operator>> type(module, "Operator",
                                                       "The mathematics of one node: shape, value and derivatives.");
  define_new(type);
  type.def(py::init(
               [](std::string name, const py::iterable& input_shapes, const py::dict& attributes, const py::iterable& constants) {
                 return as_holder(operator_from(std::move(name), input_shapes, attributes, constants));
               }),
           py::arg("name"), py::arg("input_shapes"), py::arg("attributes") = py::dict(), py::arg("constants") = py::tuple())
      .def_property_readonly("name", &Operator::name)
      .def_property_readonly("shape", [](const Operator& op) { return tuple_from(op.shape()); })
      .def_property_readonly("input_shapes", &shapes_of)
      .def_property_readonly("attributes", [](const Operator& op) { return dict_from(op.spec().attributes); })
      .def_property_readonly("constants",
                             [](const Operator& op) {
                               py::list constants;
                               for (const Tensor& tensor : op.spec().constants) constants.append(array_from(tensor));
                               return constants;
                             })
      .def_property_readonly("work", &Operator::work)
      .def_property_readonly("takes_infinities", &Operator::takes_infinities)
      .def_property_readonly("note", &Operator::note)
      .def("batched", &batched, py::arg("length"), py::arg("is_batched"))
      .def("_is_linear",
           [](const Operator& op, const py::list& depends) {
             std::vector<bool> flags;
             for (const py::handle flag : depends) flags.push_back(flag.cast<bool>());
             return op.is_affine(flags) && !op.is_step();
           })
      .def_property_readonly("kinks",
                             [](const Operator& op) {
                               const std::vector<double> kinks = op.kinks();
                               py::tuple result(kinks.size());
                               for (std::size_t i = 0; i < kinks.size(); ++i) result[i] = kinks[i];
                               return result;
                             })
      .def_property_readonly("has_kink_in_difference", &Operator::has_kink_in_difference)
      .def("__repr__", [](const Operator& op) { return "<Operator " + op.name() + " -> " + to_string(op.shape()) + ">"; });
  module.def("operator_names", [] {
    py::list names;
    for (const std::string& name : operator_names()) names.append(name);
    return names;
  });
}

}  // namespace fastexpr::bindings
