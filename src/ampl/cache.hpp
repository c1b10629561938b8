#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "ampl/instance.hpp"

namespace fastexpr::ampl {

/// Every network this process was asked for, each loaded once, and the instances of each.
/// Loading and evaluating happen outside the lock, which guards the maps only.
class Cache {
 public:
  /// The one of this process; never destroyed, since a host's threads may outlive its static objects.
  static Cache& global();

  /// The instance of this name of the network in this file, which is loaded where it is not yet. Throws FileError.
  std::shared_ptr<Instance> instance(const std::string& path, const std::string& name);
  /// The next call loads the file again; the instances of before stay alive as long as somebody uses them.
  void forget(const std::string& path);
  /// Drops what was not used for longest until the memory and the number of networks are within their limits again.
  void trim();

 private:
  struct Network {
    std::shared_ptr<const LoadedNetwork> loaded;
    std::unordered_map<std::string, std::shared_ptr<Instance>> instances;
    std::int64_t last_use() const;
  };

  std::mutex mutex_;
  std::unordered_map<std::string, Network> networks_;
};

}  // namespace fastexpr::ampl
