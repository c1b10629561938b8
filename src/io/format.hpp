#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

// The saved network is a safetensors file (https://github.com/huggingface/safetensors, "Format"):
//
//   8 bytes     N, little-endian
//   N bytes     the header: JSON, padded with spaces so that the data begins at a multiple of 64
//   the rest    the data: tensors without gaps, in the header's order
//
// The header begins with exactly these bytes, so that the file is recognised, and its version, length and content hash read,
// before any JSON is parsed:
//
//   {"__metadata__":{"format":"fastexpr","version":"1","data_size":"5952","checksum":"0123456789abcdef", ...
//
// The checksum is XXH64 of the N bytes, the 16 digits themselves read as zeros. It covers everything: the header holds the
// checksums of the graph and of the weights. So it is also the content hash.

namespace fastexpr {

static_assert(std::endian::native == std::endian::little, "saved networks are little-endian, and mapped as they are");

namespace format {
inline constexpr int version = 1;
inline constexpr std::string_view before_version = R"({"__metadata__":{"format":"fastexpr","version":")";
inline constexpr std::string_view before_data_size = R"(","data_size":")";
inline constexpr std::string_view before_checksum = R"(","checksum":")";
inline constexpr std::string_view checksum_unset = "0000000000000000";
inline constexpr std::string_view graph_tensor = "graph";
inline constexpr std::string_view padding_tensor = "padding.";

inline constexpr std::size_t alignment = 64;
inline constexpr std::size_t largest_header = 100'000'000;  // safetensors' own limit
inline constexpr std::size_t largest_graph = 1'000'000'000;
inline constexpr std::size_t deepest_json = 16;
inline constexpr std::size_t first_page = 4096;  // more than enough for the header up to the checksum
inline constexpr std::size_t largest_rank = 64;  // NumPy's
inline constexpr std::int64_t largest_growth = std::int64_t{1}
                                               << 28;  // numbers that outputs have more than what they are made of
inline constexpr std::int64_t largest_tables = std::int64_t{1} << 22;  // entries, besides one for every 8 bytes of the file
}  // namespace format

}  // namespace fastexpr
