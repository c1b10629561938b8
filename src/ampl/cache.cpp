#include "ampl/cache.hpp"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "ampl/statistics.hpp"

namespace fastexpr::ampl {

namespace {

constexpr std::size_t most_networks = 256;

/// An eighth of the machine's memory, for all instances together: the solver beside us needs its own dense blocks.
std::int64_t most_bytes() {
  static const std::int64_t limit = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE) / 8;
  return limit;
}

}  // namespace

Statistics& statistics() {
  static Statistics counts;
  return counts;
}

Cache& Cache::global() {
  static Cache* cache = new Cache;
  return *cache;
}

std::shared_ptr<Instance> Cache::instance(const std::string& path, const std::string& name) {
  std::unique_lock lock(mutex_);
  auto network = networks_.find(path);
  if (network == networks_.end()) {
    lock.unlock();
    auto loaded = std::make_shared<const LoadedNetwork>(path);
    lock.lock();  // another thread may have loaded it as well: the first one stays
    network = networks_.try_emplace(path, Network{std::move(loaded), {}}).first;
  }
  std::shared_ptr<Instance>& instance = network->second.instances[name];
  if (!instance) instance = std::make_shared<Instance>(network->second.loaded);
  return instance;
}

void Cache::forget(const std::string& path) {
  const std::lock_guard lock(mutex_);
  networks_.erase(path);
}

std::int64_t Cache::Network::last_use() const {
  std::int64_t last = 0;
  for (const auto& [name, instance] : instances) last = std::max(last, instance->last_use());
  return last;
}

void Cache::trim() {
  const std::lock_guard lock(mutex_);
  while (networks_.size() > most_networks)
    networks_.erase(std::min_element(networks_.begin(), networks_.end(),
                                     [](const auto& a, const auto& b) { return a.second.last_use() < b.second.last_use(); }));
  if (statistics().bytes <= most_bytes()) return;
  struct Candidate {
    std::int64_t last_use;
    Network* network;
    std::string name;
  };
  std::vector<Candidate> candidates;
  for (auto& [path, network] : networks_)
    for (const auto& [name, instance] : network.instances) candidates.push_back({instance->last_use(), &network, name});
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.last_use < b.last_use; });
  if (!candidates.empty()) candidates.pop_back();  // the one in use
  for (const Candidate& candidate : candidates) {
    if (statistics().bytes <= most_bytes() / 2) return;
    candidate.network->instances.erase(candidate.name);
  }
}

}  // namespace fastexpr::ampl
