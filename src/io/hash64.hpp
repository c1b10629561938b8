#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fastexpr {

/// XXH64 with seed 0, fed piece by piece: finds damage, keeps no secrets.
/// Y. Collet, "xxHash fast digest algorithm", https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
class Hash64 {
 public:
  Hash64();
  void update(std::span<const std::byte> bytes);
  std::uint64_t digest() const;

 private:
  std::array<std::uint64_t, 4> accumulators_;
  std::array<std::byte, 32> pending_{};
  std::size_t n_pending_ = 0;
  std::uint64_t n_bytes_ = 0;
};

/// 16 hexadecimal digits.
std::string hash_text(const Hash64& hash);
std::string hash_text(std::span<const std::byte> bytes);

}  // namespace fastexpr
