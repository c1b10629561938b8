#include "linalg/scratch.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

namespace fastexpr::linalg {
namespace {

struct Buffer {
  double* data = nullptr;
  Index count = 0;

  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data); }

  void grow(Index wanted) {
    std::free(data);
    data = nullptr;
    count = 0;
    const Index rounded = (wanted + 511) / 512 * 512;
    data = static_cast<double*>(std::aligned_alloc(64, static_cast<std::size_t>(rounded) * sizeof(double)));
    if (data == nullptr) throw std::bad_alloc();
    std::fill_n(data, rounded, 0.0);  // kernels compute on numbers behind a row, and what malloc left there may be denormal: slow
    count = rounded;
  }
};

thread_local std::array<Buffer, static_cast<std::size_t>(ScratchSlot::count)> buffers;

}  // namespace

double* scratch(ScratchSlot slot, Index count) {
  Buffer& buffer = buffers[static_cast<std::size_t>(slot)];
  if (buffer.count < count) [[unlikely]]
    buffer.grow(count);
  return buffer.data;
}

}  // namespace fastexpr::linalg
