#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/operator.hpp"

namespace fastexpr {

/// The operator of this name for these shapes. Throws GraphError (unknown name: lists the known ones; a bad attribute) or
/// ShapeError, whose message begins with the name.
OperatorPointer make_operator(OperatorSpec spec);

/// Names of all operators, sorted.
std::vector<std::string> operator_names();

using Maker = std::function<OperatorPointer(OperatorSpec)>;

/// Called before main() only, by Registered. Throws std::logic_error for a name that is there already.
void register_operator(const char* name, Maker maker);

/// An operator's file ends with one of these, `const Registered<Tanh> tanh("Tanh");`, and make_operator knows it. What follows
/// the name goes to the constructor behind the specification.
template <class Own>
struct Registered {
  template <class... Settings>
  explicit Registered(const char* name, Settings... settings) {
    register_operator(name, [settings...](OperatorSpec spec) { return std::make_shared<Own>(std::move(spec), settings...); });
  }
};

}  // namespace fastexpr
