#pragma once

#include <cstddef>
#include <memory>

namespace fastexpr {

/// Whether weights of so many bytes are better off in memory of ours: they stay in a processor's cache from call to call, but not
/// where their small pages happen to share places in it; larger arrays NumPy puts on large pages itself.
bool wants_large_pages(std::size_t bytes);

/// A copy of these bytes, aligned to 64, beside the last copy: on large pages, where the system gives any, whose bytes all have
/// places of their own in a cache. Throws std::bad_alloc.
std::shared_ptr<const void> on_large_pages(const void* data, std::size_t bytes);

}  // namespace fastexpr
