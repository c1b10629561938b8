#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "graph/tensor.hpp"
#include "io/file_access.hpp"

// The outer half of reading: safetensors, checked byte by byte. Messages continue the file's name: "is truncated: ...".

namespace fastexpr {

/// What the first bytes say.
struct Preamble {
  std::size_t header_size;
  std::size_t data_size;
  std::size_t checksum_at;  // from the header's beginning
  std::string checksum;     // as stated, not compared yet
};

/// `first` is the beginning of a file of this size: all of it, or format::first_page bytes. Throws FileError for a file
/// that is not ours, newer, or has the wrong length.
Preamble read_preamble(std::span<const std::byte> first, std::size_t file_size);

class Container {
 public:
  /// Throws FileError unless the header is unaltered and all of it makes sense.
  explicit Container(OwnedBytes file);

  /// Throws FileError for a name that is not there.
  const Tensor& tensor(const std::string& name, const std::string& where) const;
  std::size_t size() const { return file_.bytes.size(); }
  /// The graph's JSON text, compared with its checksum.
  std::string_view graph() const;
  /// Throws FileError where the weights are not those that were saved.
  void verify_weights() const;

 private:
  OwnedBytes file_;
  std::span<const std::byte> data_;
  std::span<const std::byte> graph_;
  std::string graph_checksum_;
  std::string weights_checksum_;
  std::unordered_map<std::string, Tensor> tensors_;
};

}  // namespace fastexpr
