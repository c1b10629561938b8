#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fastexpr {

/// Bytes that stay where they are as long as `owner` lives; aligned to 64.
struct OwnedBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};

/// A file opened for reading: a regular one, anything else is refused.
class InputFile {
 public:
  explicit InputFile(const std::string& path);  // throws std::system_error; FileError for a pipe or a device
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::size_t size() const { return size_; }
  /// The first bytes, at most `limit`.
  OwnedBytes read(std::size_t limit) const;
  /// All of it, mapped privately and read-only.
  OwnedBytes map() const;

 private:
  int descriptor_;
  std::size_t size_;
};

OwnedBytes copy_of(std::span<const std::byte> bytes);

/// Replaces `path` by these pieces, joined: temporary file in the same folder, fsync, rename, fsync of the folder.
void replace_file(const std::string& path, const std::vector<std::span<const std::byte>>& pieces);

}  // namespace fastexpr
