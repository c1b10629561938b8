#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <new>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

#include "graph/errors.hpp"
#include "io/file_access.hpp"
#include "linalg/interruption.hpp"

namespace fastexpr {

namespace {

[[noreturn]] void fail(const std::string& what, int error = errno) {
  if (error == ENOMEM) throw std::bad_alloc();
  throw std::system_error(error, std::generic_category(), what);
}

constexpr std::string_view prefix = ".fastexpr-";

/// Removes what killed writers have left behind: a writer that lives has its file locked.
void sweep(const std::filesystem::path& folder) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const int descriptor = ::open(entry->path().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) continue;
    struct stat status{};
    const bool is_file = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    if (is_file && ::flock(descriptor, LOCK_EX | LOCK_NB) == 0) ::unlink(entry->path().c_str());
    ::close(descriptor);
  }
}

/// A new file that vanishes again unless it is moved into place.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& folder) {
    std::random_device random;
    do {
      if (descriptor_ >= 0) ::close(descriptor_);
      path_ = folder / (std::string(prefix) + std::to_string(random()) + std::to_string(random()));
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);  // the umask applies
    } while (descriptor_ >= 0 ? was_swept() : errno == EEXIST);
    if (descriptor_ < 0) fail("cannot create a file in '" + folder.string() + "'");
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::span<const std::byte> bytes) {
    constexpr std::size_t most = std::size_t{64} << 20;
    while (!bytes.empty()) {
      look_for_interruption();
      const ssize_t n = ::write(descriptor_, bytes.data(), std::min(bytes.size(), most));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write");
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }

  /// Locks the file; true where a sweep of another process came before that.
  bool was_swept() {
    struct stat status{};
    (void)::flock(descriptor_, LOCK_EX);  // not possible on every file system: there a sweep cannot lock it, either
    return ::fstat(descriptor_, &status) == 0 && status.st_nlink == 0;
  }

  void take_mode(mode_t mode) { (void)::fchmod(descriptor_, mode); }  // not possible on every file system; harmless

  void move_to(const std::filesystem::path& target) {
    if (::fsync(descriptor_) != 0) fail("cannot write");
    const int descriptor = descriptor_;
    descriptor_ = ::dup(descriptor);                     // keeps the lock
    if (::close(descriptor) != 0) fail("cannot write");  // where network file systems report a full disk
    if (::rename(path_.c_str(), target.c_str()) != 0) fail("cannot rename to '" + target.string() + "'");
    path_.clear();
  }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// The rename must outlive a power cut, too. Some file systems cannot do this; the file is whole all the same.
void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

void replace_file(const std::string& path, const std::vector<std::span<const std::byte>>& pieces) {
  std::error_code no_link;
  std::filesystem::path target = std::filesystem::canonical(path, no_link);  // a link stays, what it points to is replaced
  if (no_link) target = path;
  struct stat status{};
  const bool exists = ::stat(target.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) fail("cannot write '" + path + "'", EISDIR);
  if (exists && !S_ISREG(status.st_mode)) throw FileError("'" + path + "' is a device or a pipe. A network is saved to a file.");
  if (exists && ::access(target.c_str(), W_OK) != 0) fail("cannot write '" + path + "'");  // rename would not mind
  const std::filesystem::path folder = target.has_parent_path() ? target.parent_path() : ".";

  sweep(folder);
  TemporaryFile file(folder);
  if (exists) file.take_mode(status.st_mode & 07777);
  for (const std::span<const std::byte> piece : pieces) file.write(piece);
  file.move_to(target);
  sync_folder(folder);
}

}  // namespace fastexpr
