#include "graph/tensor.hpp"

#include <utility>

#include "graph/errors.hpp"

namespace fastexpr {

double Tensor::at(Index i) const {
  switch (precision) {
    case Precision::float32:
      return static_cast<const float*>(data)[i];
    case Precision::float64:
      return static_cast<const double*>(data)[i];
    default:
      return static_cast<double>(static_cast<const Index*>(data)[i]);
  }
}

std::vector<double> Tensor::widened() const {
  std::vector<double> numbers(static_cast<std::size_t>(size()));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = at(static_cast<Index>(i));
  return numbers;
}

std::vector<Index> Tensor::integers() const {
  if (precision != Precision::int64) throw GraphError("a constant of integers is needed, got floating-point numbers");
  const auto* first = static_cast<const Index*>(data);
  return {first, first + size()};
}

namespace {
template <class Number>
Tensor owning(Precision precision, Shape shape, std::vector<Number> numbers) {
  if (size_of(shape) != static_cast<Index>(numbers.size()))
    throw ShapeError("got " + std::to_string(numbers.size()) + " numbers for shape " + to_string(shape));
  const auto owner = std::make_shared<const std::vector<Number>>(std::move(numbers));
  return {precision, std::move(shape), owner->data(), owner};
}
}  // namespace

Tensor make_tensor(Shape shape, std::vector<double> numbers) {
  return owning(Precision::float64, std::move(shape), std::move(numbers));
}

Tensor make_tensor(Shape shape, std::vector<Index> numbers) {
  return owning(Precision::int64, std::move(shape), std::move(numbers));
}

}  // namespace fastexpr
