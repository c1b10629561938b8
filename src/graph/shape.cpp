#include "graph/shape.hpp"

#include <algorithm>

#include "graph/errors.hpp"

namespace fastexpr {

namespace {
constexpr Index largest_size = Index{1} << 40;
}

Index size_of(const Shape& shape) {
  Index size = 1;
  bool is_empty = false;
  for (const Index dimension : shape) {
    if (dimension < 0) throw ShapeError("shape " + to_string(shape) + " has a negative dimension");
    if (dimension == 0)
      is_empty = true;
    else if (size > largest_size / dimension)
      throw ShapeError("shape " + to_string(shape) + " has more than 2^40 elements");
    else
      size *= dimension;
  }
  return is_empty ? 0 : size;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

Shape broadcast(const Shape& a, const Shape& b) {
  const std::size_t rank = std::max(a.size(), b.size());
  Shape result(rank, 1);
  for (std::size_t i = 0; i < rank; ++i) {  // i counts from the last dimension
    const Index in_a = i < a.size() ? a[a.size() - 1 - i] : 1;
    const Index in_b = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (in_a != in_b && in_a != 1 && in_b != 1)
      throw ShapeError("shapes " + to_string(a) + " and " + to_string(b) + " cannot be broadcast together");
    result[rank - 1 - i] = in_a == 1 ? in_b : in_a;
  }
  return result;
}

}  // namespace fastexpr
