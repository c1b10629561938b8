#include "operators/table_budget.hpp"

#include <limits>
#include <string>

#include "graph/errors.hpp"

namespace fastexpr {
namespace {

constexpr Index unlimited = std::numeric_limits<Index>::max();
thread_local Index left = unlimited;

}  // namespace

TableBudget::TableBudget(Index entries) { left = entries; }
TableBudget::~TableBudget() { left = unlimited; }

void TableBudget::spend(Index rows, Index columns) {
  if (columns != 0 && rows > left / columns)
    throw GraphError("operators need tables of more entries than a file of this length may ask for: got " + std::to_string(rows) +
                     " times " + std::to_string(columns) + " more, expected at most " + std::to_string(left));
  if (left != unlimited) left -= rows * columns;
}

}  // namespace fastexpr
