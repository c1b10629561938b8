#pragma once

#include <functional>

#include "linalg/matrix.hpp"

namespace fastexpr::linalg {

/// Calls body(begin, end) over [0, count) in chunks of at least `grain`, on this thread and the pool's.
/// Runs on the calling thread alone where count <= grain, where one thread is set, or inside another parallel_for.
/// The first exception that leaves `body` reaches the caller, once no thread is at work any more.
/// Safe after fork: the child starts its own threads.
void parallel_for(Index count, Index grain, const std::function<void(Index, Index)>& body);

/// Threads used by one evaluation, the calling one included. Throws std::invalid_argument where count < 1.
void set_num_threads(int count);
int num_threads();

/// One thread unless FASTEXPR_NUM_THREADS says otherwise: for libraries whose host owns the cores.
void use_one_thread_unless_told();

}  // namespace fastexpr::linalg
