#pragma once

#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "graph/tensor.hpp"

namespace fastexpr {

/// The tensors of a file being written. What two nodes share is stored once.
class TensorTable {
 public:
  struct Entry {
    std::string name;
    std::string dtype;
    Shape shape;
    std::span<const std::byte> bytes;
  };

  /// The stored tensor with these numbers: the one added before, or else a new one of this name. (Its shape may differ.)
  const Entry& add(const Tensor& tensor, const std::string& name);

  /// All of them in the order in which they are stored, with padding tensors in between: 64 bytes and more begin at
  /// multiples of 64 (safetensors allows no gaps), small ones follow densely, 8-byte numbers before 4-byte numbers.
  std::vector<Entry> in_order() const;

 private:
  using Key = std::tuple<const void*, Precision, Index>;
  std::map<Key, Entry> entries_;
  std::vector<const Entry*> order_;
};

}  // namespace fastexpr
