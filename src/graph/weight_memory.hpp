#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "graph/tensor.hpp"

namespace fastexpr {

/// Whether weights of so many bytes are better off in memory of ours: they stay in a processor's cache from call to call, but not
/// where their small pages happen to share places in it; larger arrays NumPy puts on large pages itself.
bool wants_large_pages(std::size_t bytes);

/// A copy of these bytes, aligned to 64, beside the last copy: on large pages, where the system gives any, whose bytes all have
/// places of their own in a cache. Throws std::bad_alloc.
std::shared_ptr<const void> on_large_pages(const void* data, std::size_t bytes);

/// Constants that live, by their numbers: a weight that is used many times, or comes a second time from somewhere else, is in
/// memory once, and so in files. Shapes may differ.
class KnownConstants {
 public:
  /// Nothing for few numbers, or the same one throughout (zero biases): that others have them, too, is chance.
  static std::optional<std::size_t> key_of(const Tensor& tensor);
  /// The equal numbers that were added, or null.
  static std::shared_ptr<const void> find(std::size_t key, const Tensor& tensor);
  /// The owner's numbers must never change.
  static void add(std::size_t key, const Tensor& tensor);
};

}  // namespace fastexpr
