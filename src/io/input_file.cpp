#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <system_error>

#include "graph/errors.hpp"
#include "io/file_access.hpp"
#include "io/format.hpp"

namespace fastexpr {

namespace {

[[noreturn]] void fail(const std::string& what) {
  if (errno == ENOMEM) throw std::bad_alloc();
  throw std::system_error(errno, std::generic_category(), what);
}

std::shared_ptr<std::byte> allocate(std::size_t size) {
  constexpr std::align_val_t alignment{format::alignment};
  auto* bytes = static_cast<std::byte*>(::operator new(std::max<std::size_t>(size, 1), alignment));
  return {bytes, [](std::byte* pointer) { ::operator delete(pointer, alignment); }};
}

}  // namespace

InputFile::InputFile(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) fail("cannot open '" + path + "'");
  struct stat status{};
  const bool is_known = ::fstat(descriptor_, &status) == 0;
  if (is_known && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::size_t>(status.st_size);
    return;
  }
  ::close(descriptor_);
  if (!is_known) fail("cannot inspect '" + path + "'");
  if (S_ISDIR(status.st_mode)) throw std::system_error(EISDIR, std::generic_category(), "cannot read '" + path + "'");
  throw FileError("'" + path + "' is a device or a pipe. A network is loaded from a file.");
}

InputFile::~InputFile() { ::close(descriptor_); }

OwnedBytes InputFile::read(std::size_t limit) const {
  const std::size_t size = std::min(limit, size_);
  const std::shared_ptr<std::byte> buffer = allocate(size);
  std::size_t n_read = 0;
  while (n_read < size) {
    const ssize_t n = ::pread(descriptor_, buffer.get() + n_read, size - n_read, static_cast<off_t>(n_read));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot read the file");
    if (n == 0) break;  // it has become shorter
    n_read += static_cast<std::size_t>(n);
  }
  return {{buffer.get(), n_read}, buffer};
}

OwnedBytes InputFile::map() const {
  if (size_ == 0) return {};
  void* start = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
  if (start == MAP_FAILED) fail("cannot map the file into memory");
  const std::shared_ptr<const void> owner(start, [size = size_](void* pointer) { ::munmap(pointer, size); });
  return {{static_cast<const std::byte*>(start), size_}, owner};
}

OwnedBytes copy_of(std::span<const std::byte> bytes) {
  const std::shared_ptr<std::byte> buffer = allocate(bytes.size());
  std::copy(bytes.begin(), bytes.end(), buffer.get());
  return {{buffer.get(), bytes.size()}, buffer};
}

}  // namespace fastexpr
