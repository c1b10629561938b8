#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "function/function.hpp"

namespace fastexpr {

/// A saved network before it is written: the pieces are joined to the file. Weights are not copied; the function must live.
struct NetworkImage {
  explicit NetworkImage(const Function& function);
  NetworkImage(const NetworkImage&) = delete;  // the pieces point into it
  NetworkImage& operator=(const NetworkImage&) = delete;

  std::size_t size() const;

  std::string head;  // length, header and graph
  std::vector<std::span<const std::byte>> pieces;
  std::string content_hash;
};

}  // namespace fastexpr
