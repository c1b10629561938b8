#include "graph/attributes.hpp"

#include "graph/errors.hpp"

namespace fastexpr {

namespace {

const Attribute& find(const std::map<std::string, Attribute>& entries, const std::string& name) {
  const auto entry = entries.find(name);
  if (entry == entries.end()) throw GraphError("attribute '" + name + "' is missing");
  return entry->second;
}

template <class Kind>
const Kind& get(const Attribute& attribute, const std::string& name, const char* kind) {
  const Kind* value = std::get_if<Kind>(&attribute);
  if (value == nullptr) throw GraphError("attribute '" + name + "' must be " + kind);
  return *value;
}

}  // namespace

Index Attributes::integer(const std::string& name) const { return get<Index>(find(entries_, name), name, "an integer"); }

double Attributes::number(const std::string& name) const {
  const Attribute& attribute = find(entries_, name);
  if (const Index* value = std::get_if<Index>(&attribute)) return static_cast<double>(*value);
  return get<double>(attribute, name, "a number");
}

const std::string& Attributes::text(const std::string& name) const {
  return get<std::string>(find(entries_, name), name, "a text");
}

std::vector<Index> Attributes::integers(const std::string& name) const {
  const Attribute& attribute = find(entries_, name);
  const auto* numbers = std::get_if<std::vector<double>>(&attribute);
  if (numbers != nullptr && numbers->empty()) return {};  // an empty list has no type of its own
  return get<std::vector<Index>>(attribute, name, "a list of integers");
}

}  // namespace fastexpr
