#include "casadi_library/configuration.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "casadi_library/external.hpp"

namespace casadi_library {

namespace {

struct Configured {
  std::mutex mutex;
  std::unique_ptr<Network> network;
  std::string file;
  struct stat status = {};
  int uses = 0;
};

Configured configured;

struct stat status_of(const std::string& file) {
  struct stat status = {};
  stat(file.c_str(), &status);
  return status;
}

bool is_same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

void open(const std::string& file, const std::string& c_library) {
  const std::lock_guard lock(configured.mutex);
  const struct stat status = status_of(file);
  if (configured.network && configured.uses > 0) {
    if (is_same_file(status, configured.status)) return;
    throw std::runtime_error("this library serves " + configured.file + " already, got " + file +
                             ". What to do: one copy of the library file for each network, at a place of its own.");
  }
  configured.network = std::make_unique<Network>(file, c_library);
  configured.file = file;
  configured.status = status;
}

}  // namespace

const Network* network() { return configured.network.get(); }

int configure(int argc, const char** argv) {
  try {
    if (argc != 2 && argc != 3)
      throw std::runtime_error("got " + std::to_string(argc - 1) +
                               " arguments, expected one or two: the network's file, and "
                               "the path of libfastexpr.so where that is not beside this library. With CasADi: "
                               "external('fastexpr', library, {'config_args': [file]}).");
    open(argv[1], argc == 3 ? argv[2] : path_of_neighbour());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "[fastexpr_config] %s\n", error.what());  // CasADi knows no other way
  } catch (...) {
    std::fprintf(stderr, "[fastexpr_config] an unknown error.\n");
  }
  return 1;
}

void count_use() {
  const std::lock_guard lock(configured.mutex);
  ++configured.uses;
}

void count_end_of_use() {
  const std::lock_guard lock(configured.mutex);
  if (--configured.uses <= 0) configured.network.reset();
}

}  // namespace casadi_library

extern "C" [[gnu::visibility("default")]] int fastexpr_config(int argc, const char** argv) {
  return casadi_library::configure(argc, argv);
}
