#include "io/tensor_table.hpp"

#include <algorithm>
#include <array>

#include "io/format.hpp"

namespace fastexpr {

namespace {

const char* dtype_name(Precision precision) {
  switch (precision) {
    case Precision::float32:
      return "F32";
    case Precision::float64:
      return "F64";
    default:
      return "I64";
  }
}

TensorTable::Entry padding(std::size_t number, std::size_t size) {
  static constexpr std::array<std::byte, format::alignment> zeros{};
  return {std::string(format::padding_tensor) + std::to_string(number), "U8", {static_cast<Index>(size)}, {zeros.data(), size}};
}

}  // namespace

const TensorTable::Entry& TensorTable::add(const Tensor& tensor, const std::string& name) {
  const Key key{tensor.data, tensor.precision, tensor.size()};
  const auto known = entries_.find(key);
  if (known != entries_.end()) return known->second;
  const auto* first = static_cast<const std::byte*>(tensor.data);
  const auto size = static_cast<std::size_t>(tensor.bytes());
  const auto added = entries_.emplace(key, Entry{name, dtype_name(tensor.precision), tensor.shape, {first, size}}).first;
  order_.push_back(&added->second);
  return added->second;
}

std::vector<TensorTable::Entry> TensorTable::in_order() const {
  const auto rank = [](const Entry* entry) {
    if (entry->bytes.size() >= format::alignment) return 0;
    return entry->dtype == "F32" ? 2 : 1;
  };
  std::vector<const Entry*> sorted = order_;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Entry* a, const Entry* b) { return rank(a) < rank(b); });
  std::vector<Entry> stored;
  std::size_t n_paddings = 0;
  for (const Entry* entry : sorted) {
    stored.push_back(*entry);
    const std::size_t excess = entry->bytes.size() % format::alignment;
    if (rank(entry) == 0 && excess > 0) stored.push_back(padding(n_paddings++, format::alignment - excess));
  }
  return stored;
}

}  // namespace fastexpr
