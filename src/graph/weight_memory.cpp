#include "graph/weight_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <new>
#include <string_view>
#include <unordered_map>

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
  static std::weak_ptr<Block>& last =
      *new std::weak_ptr<Block>;  // never destroyed: threads may still load while the process ends
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

namespace {

struct Known {
  Tensor tensor;  // without its owner
  std::weak_ptr<const void> owner;
};

struct Table {
  std::mutex mutex;
  std::unordered_multimap<std::size_t, Known> entries;
  std::size_t next_sweep = 1024;
};

Table& table() {
  static Table& only = *new Table;  // never destroyed: threads may still load while the process ends
  return only;
}

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.data), static_cast<std::size_t>(tensor.bytes())};
}

}  // namespace

std::optional<std::size_t> KnownConstants::key_of(const Tensor& tensor) {
  constexpr Index few = 8;
  if (tensor.size() < few) return std::nullopt;
  const std::string_view bytes = bytes_of(tensor);
  const auto width = static_cast<std::size_t>(size_in_bytes(tensor.precision));
  if (bytes.substr(width) == bytes.substr(0, bytes.size() - width)) return std::nullopt;
  return std::hash<std::string_view>()(bytes);
}

std::shared_ptr<const void> KnownConstants::find(std::size_t key, const Tensor& tensor) {
  const std::lock_guard lock(table().mutex);
  const auto [first, last] = table().entries.equal_range(key);
  for (auto entry = first; entry != last; ++entry) {
    const Known& known = entry->second;
    std::shared_ptr<const void> owner = known.owner.lock();
    if (owner == nullptr || known.tensor.precision != tensor.precision || bytes_of(known.tensor) != bytes_of(tensor)) continue;
    return {owner, known.tensor.data};
  }
  return nullptr;
}

void KnownConstants::add(std::size_t key, const Tensor& tensor) {
  const std::lock_guard lock(table().mutex);
  auto& entries = table().entries;
  if (entries.size() >= table().next_sweep) {
    std::erase_if(entries, [](const auto& entry) { return entry.second.owner.expired(); });
    table().next_sweep = 2 * entries.size() + 1024;
  }
  entries.emplace(key, Known{{tensor.precision, tensor.shape, tensor.data, nullptr}, tensor.owner});
}

}  // namespace fastexpr
