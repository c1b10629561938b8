#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "linalg/matrix.hpp"

namespace fastexpr {

using Attribute = std::variant<Index, double, std::string, std::vector<Index>, std::vector<double>>;

/// An operator's named settings, e.g. axis = 1 or alpha = 0.01. Getters throw GraphError naming the attribute.
class Attributes {
 public:
  Attributes() = default;
  explicit Attributes(std::map<std::string, Attribute> entries) : entries_(std::move(entries)) {}

  bool has(const std::string& name) const { return entries_.count(name) > 0; }
  Index integer(const std::string& name) const;
  double number(const std::string& name) const;  // an integer is taken, too
  const std::string& text(const std::string& name) const;
  std::vector<Index> integers(const std::string& name) const;

  void set(const std::string& name, Attribute value) { entries_[name] = std::move(value); }

  const std::map<std::string, Attribute>& entries() const { return entries_; }

 private:
  std::map<std::string, Attribute> entries_;
};

}  // namespace fastexpr
