#include <charconv>
#include <cstring>

#include "graph/errors.hpp"
#include "io/container.hpp"
#include "io/format.hpp"

namespace fastexpr {

namespace {

constexpr std::size_t length_size = sizeof(std::uint64_t);

[[noreturn]] void refuse_foreign() {
  throw FileError(
      "is not a network saved by fastexpr: it does not begin like one. net.save(path) makes such files; for an ONNX file use "
      "fastexpr.load_onnx.");
}

[[noreturn]] void refuse_altered() {
  throw FileError(
      "was altered: the beginning of its header is damaged. Copy it again from where it came, or save the network again.");
}

[[noreturn]] void refuse_truncated(std::size_t size, const std::string& expected) {
  throw FileError("is truncated: got " + std::to_string(size) + " bytes, expected " + expected +
                  ". Copy it again from where it came, or save the network again.");
}

/// Reads the header's first bytes from left to right.
class Scanner {
 public:
  Scanner(std::string_view text, std::size_t file_size) : text_(text), file_size_(file_size) {}

  std::size_t position() const { return position_; }

  void expect(std::string_view literal) {
    const std::string_view rest = text_.substr(position_);
    if (rest.size() < literal.size() && literal.starts_with(rest)) refuse_truncated(file_size_, "more");
    if (!rest.starts_with(literal)) position_ == 0 ? refuse_foreign() : refuse_altered();
    position_ += literal.size();
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    const char* first = text_.data() + position_;
    const char* last = text_.data() + text_.size();
    const auto [end, error] = std::from_chars(first, last, value);
    if (end == last) refuse_truncated(file_size_, "more");
    if (error != std::errc{}) refuse_altered();
    position_ += static_cast<std::size_t>(end - first);
    return value;
  }

  std::string hexadecimal(std::size_t n_digits) {
    const std::string_view digits = text_.substr(position_, n_digits);
    if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) refuse_altered();
    if (digits.size() < n_digits) refuse_truncated(file_size_, "more");
    position_ += n_digits;
    return std::string(digits);
  }

 private:
  std::string_view text_;
  std::size_t file_size_;
  std::size_t position_ = 0;
};

void check_sizes(std::uint64_t header_size, std::uint64_t data_size, std::size_t file_size) {
  // A file holds less than 2^63 bytes, so no sum overflows.
  const bool is_possible = header_size <= format::largest_header && data_size < (std::uint64_t{1} << 62);
  if (!is_possible || header_size % format::alignment != format::alignment - length_size) refuse_altered();
  const std::uint64_t expected = length_size + header_size + data_size;
  if (file_size < expected) refuse_truncated(file_size, std::to_string(expected));
  if (file_size > expected)
    throw FileError("was altered: got " + std::to_string(file_size) + " bytes, expected " + std::to_string(expected) +
                    ". Copy it again from where it came, or save the network again.");
}

}  // namespace

Preamble read_preamble(std::span<const std::byte> first, std::size_t file_size) {
  if (file_size == 0) throw FileError("is empty. Copy it again from where it came, or save the network again.");
  if (first.size() <= length_size) refuse_foreign();
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, first.data(), length_size);
  const std::string_view text(reinterpret_cast<const char*>(first.data()) + length_size, first.size() - length_size);
  Scanner scanner(text, file_size);
  scanner.expect(format::before_version);
  const std::uint64_t version = scanner.number();
  if (version > format::version)
    throw FileError("is of a newer format: got " + std::to_string(version) + ", this fastexpr reads up to " +
                    std::to_string(format::version) + ". Upgrade it: pip install --upgrade fastexpr");
  if (version < 1) refuse_altered();
  scanner.expect(format::before_data_size);
  const std::uint64_t data_size = scanner.number();
  scanner.expect(format::before_checksum);
  const std::size_t checksum_at = scanner.position();
  std::string checksum = scanner.hexadecimal(format::checksum_unset.size());
  check_sizes(header_size, data_size, file_size);
  if (scanner.position() >= header_size) refuse_altered();
  return {header_size, data_size, checksum_at, std::move(checksum)};
}

}  // namespace fastexpr
