#pragma once

#include "graph/operator.hpp"

namespace fastexpr {

/// Operators that work along a range of dimensions, [axis, axis + n_axes), and do the same for every index of the others.
/// The input is seen as (outer, members, inner). A lane is one of the outer * inner groups of `members` units; its unit m is
/// unit first_of(lane) + m * inner.
class Grouped : public Operator {
 public:
  Index members() const { return groups_.members; }
  Index n_lanes() const { return groups_.outer * groups_.inner; }
  Index first_of(Index lane) const { return lane / groups_.inner * groups_.members * groups_.inner + lane % groups_.inner; }

 protected:
  struct Groups {
    Index outer;
    Index members;
    Index inner;
  };

  /// One input; attributes axis >= 0 and n_axes >= 1 within its dimensions.
  static Groups checked_groups(const OperatorSpec& spec);

  /// The shape without these dimensions, or, where the attribute keepdims is 1, with 1 in their place. At least one member.
  static Shape reduced_shape(const OperatorSpec& spec);

  Grouped(const OperatorSpec& spec, Shape shape) : Operator(spec, std::move(shape)), groups_(checked_groups(spec)) {}

  const Groups& groups() const { return groups_; }

  /// All that the members of a lane depend on.
  DependenceSets::Id lane_dependence(DependenceSets& sets, const DependenceSets::Id* input, Index lane) const;

 private:
  Groups groups_;
};

}  // namespace fastexpr
