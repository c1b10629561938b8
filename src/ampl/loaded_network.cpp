#include "ampl/loaded_network.hpp"

#include <sys/stat.h>

#include <cstdlib>

#include "ampl/statistics.hpp"
#include "io/network_file.hpp"

namespace fastexpr::ampl {

namespace {

FileIdentity identify(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

/// The path, or the file of that name in the cache folder: a model that was made on another machine names a path of there,
/// and fastexpr/pyomo/external/files.py has put the file into this machine's folder.
std::string resolve(const std::string& path) {
  const char* folder = std::getenv("FASTEXPR_CACHE_DIR");
  if (!folder || identify(path) != FileIdentity()) return path;
  const std::string moved = folder + std::string("/") + path.substr(path.rfind('/') + 1);
  return identify(moved) != FileIdentity() ? moved : path;
}

}  // namespace

LoadedNetwork::LoadedNetwork(const std::string& path) : path_(resolve(path)), identity_(identify(path_)), function_(load(path_)) {
  ++statistics().loads;
}

bool LoadedNetwork::was_replaced() const {
  const FileIdentity now = identify(path_);
  return now != FileIdentity() && now != identity_;
}

}  // namespace fastexpr::ampl
