#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "linalg/matrix.hpp"

namespace fastexpr {

using Attribute = std::variant<Index, double, std::string, std::vector<Index>, std::vector<double>>;

/// An operator's named settings, e.g. axis = 1 or alpha = 0.01. Getters throw GraphError naming the attribute.
/// Copies share the entries until one is changed: copying takes no memory.
class Attributes {
 public:
  using Entries = std::map<std::string, Attribute>;

  Attributes() = default;
  explicit Attributes(Entries entries) : entries_(std::make_shared<const Entries>(std::move(entries))) {}

  bool has(const std::string& name) const { return entries().count(name) > 0; }
  Index integer(const std::string& name) const;
  double number(const std::string& name) const;  // an integer is taken, too
  const std::string& text(const std::string& name) const;
  std::vector<Index> integers(const std::string& name) const;

  void set(const std::string& name, Attribute value);

  const Entries& entries() const;

 private:
  std::shared_ptr<const Entries> entries_;  // null: none
};

}  // namespace fastexpr
