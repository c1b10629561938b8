#pragma once

#include <algorithm>
#include <vector>

#include "tape/tape.hpp"

namespace fastexpr::tape {

/// Many short lists of terms in one store; what a list gives back is used by the next.
class TermLists {
 public:
  using Head = std::int32_t;
  static constexpr Head empty = -1;

  void add(Head& head, const Term& term) {
    std::int32_t place = free_;
    if (place >= 0) {
      free_ = entries_[static_cast<std::size_t>(place)].next;
    } else {
      place = static_cast<std::int32_t>(entries_.size());
      entries_.emplace_back();
    }
    entries_[static_cast<std::size_t>(place)] = {term, head};
    head = place;
  }

  /// The list's terms in the order they were added; the list is empty afterwards. Valid until the next call.
  std::vector<Term>& take(Head& head) {
    taken_.clear();
    while (head != empty) {
      Entry& entry = entries_[static_cast<std::size_t>(head)];
      taken_.push_back(entry.term);
      const Head next = entry.next;
      entry.next = free_;
      free_ = head;
      head = next;
    }
    std::reverse(taken_.begin(), taken_.end());
    return taken_;
  }

 private:
  struct Entry {
    Term term;
    std::int32_t next;
  };
  std::vector<Entry> entries_;
  std::vector<Term> taken_;
  std::int32_t free_ = -1;
};

}  // namespace fastexpr::tape
