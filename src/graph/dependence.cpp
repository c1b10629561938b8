#include "graph/dependence.hpp"

#include <algorithm>
#include <iterator>

namespace fastexpr {

DependenceSets::DependenceSets() {
  intern({});
  sets_.push_back(sets_[empty]);
}

DependenceSets::Id DependenceSets::intern(std::vector<std::int32_t> members) {
  const auto [entry, is_new] = ids_.emplace(std::move(members), static_cast<Id>(sets_.size()));
  if (is_new) sets_.push_back(&entry->first);
  return entry->second;
}

DependenceSets::Id DependenceSets::single(std::int32_t component) { return intern({component}); }

DependenceSets::Id DependenceSets::unite(Id a, Id b) {
  if (b <= zero) return a <= zero ? empty : a;
  if (a == b || a <= zero) return b;
  const auto key = std::minmax(a, b);
  const auto known = unions_.find(key);
  if (known != unions_.end()) return known->second;
  std::vector<std::int32_t> merged;
  merged.reserve(members(a).size() + members(b).size());
  std::set_union(members(a).begin(), members(a).end(), members(b).begin(), members(b).end(), std::back_inserter(merged));
  const Id result = intern(std::move(merged));
  unions_.emplace(key, result);
  return result;
}

DependenceSets::Id DependenceSets::unite(std::vector<Id> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  ids.erase(ids.begin(), std::upper_bound(ids.begin(), ids.end(), zero));
  if (ids.empty()) return empty;
  if (ids.size() == 1) return ids.front();
  const auto known = large_unions_.find(ids);
  if (known != large_unions_.end()) return known->second;
  std::vector<std::int32_t> merged;
  for (const Id id : ids) merged.insert(merged.end(), members(id).begin(), members(id).end());
  std::sort(merged.begin(), merged.end());
  merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
  const Id result = intern(std::move(merged));
  large_unions_.emplace(std::move(ids), result);
  return result;
}

}  // namespace fastexpr
