#include "graph/weight_memory.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>

namespace fastexpr {
namespace {

constexpr std::size_t page = std::size_t{2} << 20;  // a large one, of x86-64 and most of aarch64
constexpr std::size_t line = 64;

std::size_t rounded_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// Large pages side by side. They are returned when the last weights in them are gone.
class Block {
 public:
  explicit Block(std::size_t bytes) : size_(rounded_up(bytes, page)) {
    reserved_ = ::mmap(nullptr, size_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reserved_ == MAP_FAILED) throw std::bad_alloc();
    const auto address = rounded_up(reinterpret_cast<std::uintptr_t>(reserved_), page);
    start_ = reinterpret_cast<std::byte*>(address);
#if defined(MADV_HUGEPAGE)
    ::madvise(start_, size_, MADV_HUGEPAGE);  // where it is refused the pages are small ones
#endif
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { ::munmap(reserved_, size_ + page); }

  /// Room for this many bytes, or null.
  std::byte* take(std::size_t bytes) {
    if (size_ - used_ < bytes) return nullptr;
    std::byte* room = start_ + used_;
    used_ += bytes;
    return room;
  }

 private:
  std::size_t size_;
  std::size_t used_ = 0;
  void* reserved_;
  std::byte* start_;
};

}  // namespace

bool wants_large_pages(std::size_t bytes) { return bytes >= std::size_t{64} << 10 && bytes < std::size_t{4} << 20; }

std::shared_ptr<const void> on_large_pages(const void* data, std::size_t bytes) {
  static std::mutex mutex;
  static std::weak_ptr<Block> last;
  const std::lock_guard lock(mutex);
  const std::size_t wanted = rounded_up(bytes, line);
  std::shared_ptr<Block> block = last.lock();
  std::byte* room = block == nullptr ? nullptr : block->take(wanted);
  if (room == nullptr) {
    block = std::make_shared<Block>(wanted);
    last = block;
    room = block->take(wanted);
  }
  std::memcpy(room, data, bytes);
  return {block, room};
}

}  // namespace fastexpr
