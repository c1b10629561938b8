#pragma once

#include <string>

#include "bindings/arguments.hpp"
#include "bindings/bindings.hpp"
#include "graph/errors.hpp"
#include "nlp/positions.hpp"

// What the methods of nonlinear programs take and give.

namespace fastexpr::bindings {

inline Numbers vector_of(const py::object& source, Index size, const char* what) {
  Numbers numbers = numbers_from(source, what);
  if (numbers.ndim() != 1 || numbers.size() != size)
    throw ShapeError(std::string("[NlpFunctions] ") + what + " has a wrong shape: got " +
                     to_string(Shape(numbers.shape(), numbers.shape() + numbers.ndim())) + ", expected (" + std::to_string(size) +
                     ",).");
  return numbers;
}

/// The result of a member function, evaluated without the GIL.
template <class Evaluate>
Numbers evaluated(Index size, const Evaluate& evaluate) {
  Numbers result(size);
  double* numbers = result.mutable_data();
  const WithoutGil released;
  evaluate(numbers);
  return result;
}

inline py::tuple structure(const nlp::Positions& positions) {
  const auto array = [](const std::vector<std::int32_t>& numbers) {
    return py::array_t<std::int64_t>(py::array_t<std::int32_t>(static_cast<Index>(numbers.size()), numbers.data()));
  };
  return py::make_tuple(array(positions.rows), array(positions.columns));
}

}  // namespace fastexpr::bindings
