#pragma once

#include "graph/shape.hpp"

namespace fastexpr {

/// While it lives, tables that operators of this thread lay out when they are made may have so many entries together: a file that
/// nobody vouches for can promise more in a line than any memory holds. What is built otherwise has no such limit.
class TableBudget {
 public:
  explicit TableBudget(Index entries);
  ~TableBudget();
  TableBudget(const TableBudget&) = delete;
  TableBudget& operator=(const TableBudget&) = delete;

  /// Before a table of rows * columns entries is made. GraphError where it is more than is left.
  static void spend(Index rows, Index columns);
};

}  // namespace fastexpr
