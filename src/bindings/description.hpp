#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bindings/bindings.hpp"

// A function as Python objects: what it is made from, and what it says of itself.

namespace fastexpr::bindings {

/// nodes: (Operator, ids of its inputs, label) each, counted from 1 (0 is x); ports: (name, shape) each; one name per component,
/// or None: they are made of the ports.
std::shared_ptr<Function> function_from_nodes(Index n_inputs, const py::iterable& nodes, const py::iterable& output_ids,
                                              const py::iterable& inputs, const py::iterable& outputs,
                                              const py::object& input_names, const py::object& output_names,
                                              const py::object& lower, const py::object& upper, const py::object& input_units,
                                              const py::object& output_units);
/// The list that function_from_nodes takes, after simplification.
py::list nodes_of(const Function& function);

py::dict ports_of(const std::vector<Port>& ports);
py::tuple names_of(Index count, const std::function<std::string(Index)>& name);
/// None where there is no unit.
py::object units_of(const std::vector<std::string>& units);
/// A read-only array; None where there is no bound.
py::object bound_of(const std::vector<double>& bound);

/// What repr() shows: ports, nodes, parameters, workspace.
std::string represent(const Function& function);

}  // namespace fastexpr::bindings
