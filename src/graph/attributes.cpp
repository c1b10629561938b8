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

const Attributes::Entries& Attributes::entries() const {
  static const Entries none;
  return entries_ == nullptr ? none : *entries_;
}

void Attributes::set(const std::string& name, Attribute value) {
  // GCC 12's variant crashes where its copy constructor throws; made from the value inside, it does not.
  auto changed = std::make_shared<Entries>();
  for (const auto& [other, kept] : entries())
    changed->emplace(other, std::visit([](const auto& inside) { return Attribute(inside); }, kept));
  (*changed)[name] = std::move(value);
  entries_ = std::move(changed);
}

Index Attributes::integer(const std::string& name) const { return get<Index>(find(entries(), name), name, "an integer"); }

double Attributes::number(const std::string& name) const {
  const Attribute& attribute = find(entries(), name);
  if (const Index* value = std::get_if<Index>(&attribute)) return static_cast<double>(*value);
  return get<double>(attribute, name, "a number");
}

const std::string& Attributes::text(const std::string& name) const {
  return get<std::string>(find(entries(), name), name, "a text");
}

std::vector<Index> Attributes::integers(const std::string& name) const {
  const Attribute& attribute = find(entries(), name);
  const auto* numbers = std::get_if<std::vector<double>>(&attribute);
  if (numbers != nullptr && numbers->empty()) return {};  // an empty list has no type of its own
  return get<std::vector<Index>>(attribute, name, "a list of integers");
}

}  // namespace fastexpr
