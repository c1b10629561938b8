#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tape/term_lists.hpp"

namespace fastexpr::tape {

/// A symmetric matrix of lists of terms, made entry by entry: W_pq for q <= p, row by row. Short rows are looked through; the
/// entries of long ones are found by a hash table.
class Pairs {
 public:
  explicit Pairs(std::size_t n_nodes) : n_nodes_(n_nodes), rows_(n_nodes, {-1, 0}) {}

  bool is_empty(Id p) const { return rows_[static_cast<std::size_t>(p)].head < 0; }

  /// A further row, of what is never eliminated; its number is behind those of all others.
  Id add_last() {
    rows_.push_back({-1, 0});
    return static_cast<Id>(rows_.size()) - 1;
  }

  /// Adds a term to W_ab.
  void add(Id a, Id b, const Term& term, TermLists& lists) {
    if (term.scale == 0.0) return;
    if (a < b) std::swap(a, b);
    if (static_cast<std::size_t>(a) >= n_nodes_ && static_cast<std::size_t>(b) < n_nodes_) std::swap(a, b);
    lists.add(slots_[find(a, b)].terms, term);
  }

  /// Calls body(q, terms) for every W_pq of a row that gets no more entries; body may add to other rows.
  template <class Body>
  void take_all(Id p, const Body& body) {
    std::int32_t place = rows_[static_cast<std::size_t>(p)].head;
    rows_[static_cast<std::size_t>(p)].head = -1;
    while (place >= 0) {
      Slot& slot = slots_[static_cast<std::size_t>(place)];
      const Slot taken = slot;
      slot.next = free_;
      free_ = place;
      place = taken.next;
      body(taken.other, taken.terms);
    }
  }

 private:
  struct Slot {
    Id other;  // q
    TermLists::Head terms;
    std::int32_t next;  // of the same row, or free
  };
  struct Row {
    std::int32_t head;
    std::int32_t length;
  };
  struct Place {
    std::uint64_t key;  // 0: none (p = 0 has no entries)
    std::int32_t slot;
  };
  static constexpr std::int32_t longest_looked_through = 12;

  static std::uint64_t key(Id p, Id q) { return static_cast<std::uint64_t>(p) << 32 | static_cast<std::uint32_t>(q); }

  std::size_t find(Id p, Id q) {
    Row& row = rows_[static_cast<std::size_t>(p)];
    if (row.length > longest_looked_through) {
      Place& place = place_of(key(p, q));
      if (place.key != 0) return static_cast<std::size_t>(place.slot);
    } else {
      for (std::int32_t s = row.head; s >= 0; s = slots_[static_cast<std::size_t>(s)].next)
        if (slots_[static_cast<std::size_t>(s)].other == q) return static_cast<std::size_t>(s);
    }
    return insert(row, p, q);
  }

  std::size_t insert(Row& row, Id p, Id q) {
    std::int32_t s = free_;
    if (s >= 0) {
      free_ = slots_[static_cast<std::size_t>(s)].next;
    } else {
      s = static_cast<std::int32_t>(slots_.size());
      slots_.emplace_back();
    }
    slots_[static_cast<std::size_t>(s)] = {q, TermLists::empty, row.head};
    row.head = s;
    ++row.length;
    if (row.length == longest_looked_through + 1) {
      for (std::int32_t t = s; t >= 0; t = slots_[static_cast<std::size_t>(t)].next)
        remember(key(p, slots_[static_cast<std::size_t>(t)].other), t);
    } else if (row.length > longest_looked_through) {
      remember(key(p, q), s);
    }
    return static_cast<std::size_t>(s);
  }

  Place& place_of(std::uint64_t wanted) {
    const std::size_t mask = table_.size() - 1;
    std::size_t place = (wanted * 0x9e3779b97f4a7c15u >> 20) & mask;
    while (table_[place].key != 0 && table_[place].key != wanted) place = (place + 1) & mask;
    return table_[place];
  }

  void remember(std::uint64_t key, std::int32_t slot) {
    if (2 * ++used_ > table_.size()) {
      std::vector<Place> old(std::max<std::size_t>(1024, 4 * table_.size()), {0, 0});
      old.swap(table_);
      for (const Place& place : old)
        if (place.key != 0) place_of(place.key) = place;
    }
    place_of(key) = {key, slot};
  }

  std::size_t n_nodes_;
  std::vector<Row> rows_;
  std::vector<Slot> slots_;
  std::vector<Place> table_;
  std::size_t used_ = 0;
  std::int32_t free_ = -1;
};

}  // namespace fastexpr::tape
