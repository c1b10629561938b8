#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "linalg/matrix.hpp"

namespace fastexpr {

/// Sets of components of x, each stored once and named by a small number: what a unit depends on.
/// In a dense network all units of a layer share one set, so the structure of a layer costs one number a unit.
class DependenceSets {
 public:
  using Id = std::int32_t;
  static constexpr Id empty = 0;
  static constexpr Id zero = 1;  // no component either, and the unit is 0: see Operator::keeps_zeros

  DependenceSets();
  Id single(std::int32_t component);
  Id unite(Id a, Id b);  // remembered, so repeated unions are look-ups
  /// The union of many at once; repetitions are fine.
  Id unite(std::vector<Id> ids);
  const std::vector<std::int32_t>& members(Id id) const { return *sets_[static_cast<std::size_t>(id)]; }

 private:
  Id intern(std::vector<std::int32_t> members);
  std::map<std::vector<std::int32_t>, Id> ids_;
  std::vector<const std::vector<std::int32_t>*> sets_;
  std::map<std::pair<Id, Id>, Id> unions_;
  std::map<std::vector<Id>, Id> large_unions_;
};

/// Which pairs of sets are coupled by second derivatives: every member of `first` with every member of `second`.
using CoupledSets = std::vector<std::pair<DependenceSets::Id, DependenceSets::Id>>;

}  // namespace fastexpr
