#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "function/function.hpp"
#include "graph/errors.hpp"
#include "operators/registry.hpp"

// What the targets share. A target is a function of bytes, as libFuzzer calls it: it may refuse them with the errors that users
// get, and nothing else may happen.

namespace fastexpr::fuzzing {

/// Ends the process: what was found is a fault.
[[noreturn]] inline void fault(const char* what) {
  std::fprintf(stderr, "fault: %s\n", what);
  std::abort();
}

inline void expect(bool holds, const char* what) {
  if (!holds) fault(what);
}

/// Runs `body`; the errors that wrong input may cause end it, others are not caught.
template <class Body>
void refusable(const Body& body) {
  try {
    body();
  } catch (const GraphError&) {
  } catch (const ShapeError&) {
  } catch (const FileError&) {
  } catch (const std::bad_alloc&) {
  }
}

/// Operators of one number, one after the other, on n numbers.
inline std::shared_ptr<Function> chain(Index n, std::initializer_list<const char*> names) {
  std::vector<Node> nodes;
  for (const char* name : names) {
    OperatorSpec spec;
    spec.name = name;
    spec.input_shapes = {{n}};
    nodes.push_back({make_operator(std::move(spec)), {static_cast<NodeId>(nodes.size())}, name});
  }
  const auto last = static_cast<NodeId>(nodes.size());
  Signature signature;
  signature.inputs = {{"x", {n}}};
  signature.outputs = {{"y", {n}}};
  return std::make_shared<Function>(Graph(n, std::move(nodes), {last}), std::move(signature));
}

/// Bytes read as whatever is asked for; after their end, zeros.
class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  bool at_end() const { return bytes_.empty(); }

  template <class Number>
  Number raw() {
    Number number{};
    const std::size_t size = std::min(sizeof number, bytes_.size());
    if (size > 0) std::memcpy(&number, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return number;
  }

  /// 0 <= number < limit.
  int below(int limit) { return limit > 0 ? raw<std::uint8_t>() % limit : 0; }

  /// Small numbers, mostly; the ends of the range and what is no number, too.
  double number() {
    static constexpr double special[] = {0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 5e-324, 1e300, -1e300, 1e8, 3.0};
    const int kind = below(20);
    if (kind < 12) return special[kind];
    if (kind == 12) return std::numeric_limits<double>::infinity();
    if (kind == 13) return std::numeric_limits<double>::quiet_NaN();
    if (kind == 14) return raw<double>();
    return raw<std::int16_t>() / 1024.0;
  }

  std::vector<double> numbers(std::size_t count) {
    std::vector<double> result(count);
    for (double& entry : result) entry = number();
    return result;
  }
  /// 0, or of a size that products of some of them neither overflow nor underflow.
  std::vector<double> usual_numbers(std::size_t count) {
    std::vector<double> result = numbers(count);
    for (double& entry : result)
      if (!(entry == 0.0 || (std::abs(entry) > 1e-6 && std::abs(entry) < 1e6))) entry = 0.25;
    return result;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace fastexpr::fuzzing
