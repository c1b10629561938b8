#pragma once

#include <cstdint>
#include <string>

#include "function/function.hpp"

namespace fastexpr::ampl {

/// Which file stood at a path: changes when another is renamed onto it.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  std::int64_t size = 0;
  std::int64_t modified_seconds = 0;
  std::int64_t modified_nanoseconds = 0;

  bool operator==(const FileIdentity&) const = default;
};

/// A network's file, mapped and ready to evaluate.
class LoadedNetwork {
 public:
  /// Throws FileError where there is no such file, or it is not a network.
  explicit LoadedNetwork(const std::string& path);

  const std::string& path() const { return path_; }
  const Function& function() const { return *function_; }
  /// Another file stands at the path now. One that is gone is none: its numbers are still mapped, and a solve may end well.
  bool was_replaced() const;

 private:
  std::string path_;
  FileIdentity identity_;
  std::shared_ptr<const Function> function_;
};

}  // namespace fastexpr::ampl
