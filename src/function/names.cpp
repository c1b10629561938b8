#include "function/function.hpp"

// Names that nobody stated are made where they are read: millions of them would take longer than everything else.

namespace fastexpr {

namespace {

/// "T" for a port of one number, else "x[0,3]"; leading 1s of the shape are left out.
std::string component_name(const Port& port, Index place) {
  if (size_of(port.shape) == 1) return port.name;
  std::size_t first = 0;
  while (first + 1 < port.shape.size() && port.shape[first] == 1) ++first;
  std::string indices;
  for (std::size_t axis = port.shape.size(); axis-- > first;) {
    const std::string index = std::to_string(place % port.shape[axis]);
    indices = indices.empty() ? index : index + "," + indices;
    place /= port.shape[axis];
  }
  return port.name + "[" + indices + "]";
}

std::string name_of(const std::optional<std::vector<std::string>>& stated, const std::vector<Port>& ports, Index component) {
  if (stated) return (*stated)[static_cast<std::size_t>(component)];
  for (const Port& port : ports) {
    if (component < size_of(port.shape)) return component_name(port, component);
    component -= size_of(port.shape);
  }
  return {};
}

}  // namespace

std::string Signature::input_name(Index component) const { return name_of(input_names, inputs, component); }

std::string Signature::output_name(Index component) const { return name_of(output_names, outputs, component); }

}  // namespace fastexpr
