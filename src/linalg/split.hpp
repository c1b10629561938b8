#pragma once

#include <functional>

#include "linalg/thread_pool.hpp"

namespace fastexpr::linalg {

/// Runs body(begin, end) over [0, count): on the pool where the work pays for waking it, otherwise here at the cost of a call.
template <class Body>
void split(bool is_large, Index count, Index grain, const Body& body) {
  if (!is_large) return body(Index{0}, count);
  parallel_for(count, grain, std::cref(body));  // by reference: a std::function of it allocates nothing
}

}  // namespace fastexpr::linalg
