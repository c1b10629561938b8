#include "io/hash64.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "linalg/interruption.hpp"

namespace fastexpr {

namespace {

constexpr std::uint64_t prime_1 = 0x9E3779B185EBCA87U;
constexpr std::uint64_t prime_2 = 0xC2B2AE3D27D4EB4FU;
constexpr std::uint64_t prime_3 = 0x165667B19E3779F9U;
constexpr std::uint64_t prime_4 = 0x85EBCA77C2B2AE63U;
constexpr std::uint64_t prime_5 = 0x27D4EB2F165667C5U;

template <class Word>
std::uint64_t lane(const std::byte* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

std::uint64_t round(std::uint64_t accumulator, std::uint64_t input) {
  return std::rotl(accumulator + input * prime_2, 31) * prime_1;
}

void take_stripe(const std::byte* stripe, std::array<std::uint64_t, 4>& accumulators) {
  for (std::size_t i = 0; i < 4; ++i) accumulators[i] = round(accumulators[i], lane<std::uint64_t>(stripe + 8 * i));
}

std::uint64_t merge(std::uint64_t hash, std::uint64_t accumulator) { return (hash ^ round(0, accumulator)) * prime_1 + prime_4; }

std::uint64_t avalanche(std::uint64_t hash) {
  hash = (hash ^ (hash >> 33)) * prime_2;
  hash = (hash ^ (hash >> 29)) * prime_3;
  return hash ^ (hash >> 32);
}

}  // namespace

Hash64::Hash64() : accumulators_{prime_1 + prime_2, prime_2, 0, 0 - prime_1} {}

void Hash64::update(std::span<const std::byte> bytes) {
  n_bytes_ += bytes.size();
  if (n_pending_ > 0) {
    const std::size_t taken = std::min(bytes.size(), pending_.size() - n_pending_);
    std::copy_n(bytes.begin(), taken, pending_.begin() + static_cast<std::ptrdiff_t>(n_pending_));
    n_pending_ += taken;
    bytes = bytes.subspan(taken);
    if (n_pending_ < pending_.size()) return;
    take_stripe(pending_.data(), accumulators_);
    n_pending_ = 0;
  }
  std::array<std::uint64_t, 4> accumulators = accumulators_;  // a copy stays in registers: bytes may alias members
  constexpr std::size_t piece = std::size_t{64} << 20;
  while (bytes.size() >= pending_.size()) {
    look_for_interruption();
    const std::size_t rest = bytes.size() - std::min(bytes.size(), piece);
    for (; bytes.size() >= rest + pending_.size(); bytes = bytes.subspan(pending_.size()))
      take_stripe(bytes.data(), accumulators);
  }
  accumulators_ = accumulators;
  std::copy(bytes.begin(), bytes.end(), pending_.begin());
  n_pending_ = bytes.size();
}

std::uint64_t Hash64::digest() const {
  const auto& a = accumulators_;
  std::uint64_t hash = prime_5;
  if (n_bytes_ >= pending_.size()) {
    hash = std::rotl(a[0], 1) + std::rotl(a[1], 7) + std::rotl(a[2], 12) + std::rotl(a[3], 18);
    for (const std::uint64_t accumulator : a) hash = merge(hash, accumulator);
  }
  hash += n_bytes_;
  const std::byte* rest = pending_.data();
  const std::byte* end = rest + n_pending_;
  for (; end - rest >= 8; rest += 8) hash = std::rotl(hash ^ round(0, lane<std::uint64_t>(rest)), 27) * prime_1 + prime_4;
  if (end - rest >= 4) {
    hash = std::rotl(hash ^ (lane<std::uint32_t>(rest) * prime_1), 23) * prime_2 + prime_3;
    rest += 4;
  }
  for (; rest < end; ++rest) hash = std::rotl(hash ^ (lane<std::uint8_t>(rest) * prime_5), 11) * prime_1;
  return avalanche(hash);
}

std::string hash_text(const Hash64& hash) {
  std::uint64_t digest = hash.digest();
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, digest >>= 4) *digit = "0123456789abcdef"[digest & 15];
  return text;
}

std::string hash_text(std::span<const std::byte> bytes) {
  Hash64 hash;
  hash.update(bytes);
  return hash_text(hash);
}

}  // namespace fastexpr
