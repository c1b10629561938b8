#include "operators/registry.hpp"

#include <map>
#include <stdexcept>

#include "graph/errors.hpp"

namespace fastexpr {

namespace {

// Inside a function: operators' files may be initialized before this one.
std::map<std::string, Maker>& makers() {
  static std::map<std::string, Maker> list;
  return list;
}

}  // namespace

void register_operator(const char* name, Maker maker) {
  if (!makers().emplace(name, std::move(maker)).second) throw std::logic_error(std::string("two operators are called ") + name);
}

OperatorPointer make_operator(OperatorSpec spec) {
  const std::string name = spec.name;
  const auto maker = makers().find(name);
  if (maker == makers().end()) {
    std::string known;
    for (const std::string& other : operator_names()) known += (known.empty() ? "" : ", ") + other;
    refuse("there is no operator '" + name + "'; known ones: " + known);
  }
  try {
    for (const Shape& shape : spec.input_shapes) size_of(shape);
    return maker->second(std::move(spec));
  } catch (const GraphError& error) {
    throw GraphError("[" + name + "] " + error.what());
  } catch (const ShapeError& error) {
    throw ShapeError("[" + name + "] " + error.what());
  }
}

std::vector<std::string> operator_names() {
  std::vector<std::string> names;
  for (const auto& [name, maker] : makers()) names.push_back(name);
  return names;
}

}  // namespace fastexpr
