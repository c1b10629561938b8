#pragma once

#include "linalg/matrix.hpp"

namespace fastexpr::linalg {

enum class ScratchSlot { panel, scaled, compacted, transposed_in, transposed_out, gathered, partial_sums, count };

/// A buffer of this thread, aligned to 64 bytes, that stays until the thread ends. It grows at a thread's first calls only.
/// The next call for the same slot may move it. Throws std::bad_alloc.
double* scratch(ScratchSlot slot, Index count);

}  // namespace fastexpr::linalg
