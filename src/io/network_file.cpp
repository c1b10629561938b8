#include "io/network_file.hpp"

#include "graph/errors.hpp"
#include "io/container.hpp"
#include "io/file_access.hpp"
#include "io/format.hpp"
#include "io/network_image.hpp"
#include "io/network_reader.hpp"

namespace fastexpr {

namespace {

constexpr std::size_t verified_below = 64'000'000;
// Sharing pages pays in large files only. A copy of a small one cannot change under its readers when somebody overwrites
// the file in place.
constexpr std::size_t mapped_from = 4'000'000;

std::shared_ptr<Function> read(const OwnedBytes& file, Verify verify) {
  const Container container(file);
  if (verify == Verify::always || (verify == Verify::below_64_megabytes && file.bytes.size() < verified_below))
    container.verify_weights();
  return read_function(container);
}

}  // namespace

void save(const Function& function, const std::string& path) { replace_file(path, NetworkImage(function).pieces); }

std::shared_ptr<Function> load(const std::string& path, Verify verify) {
  const InputFile file(path);
  try {
    return read(file.size() < mapped_from ? file.read(file.size()) : file.map(), verify);
  } catch (const FileError& error) {
    throw FileError("'" + path + "' " + error.what());
  }
}

std::string to_bytes(const Function& function) {
  const NetworkImage image(function);
  std::string bytes;
  bytes.reserve(image.size());
  for (const std::span<const std::byte> piece : image.pieces)
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return bytes;
}

std::shared_ptr<Function> from_bytes(std::span<const std::byte> bytes) {
  try {
    return read(copy_of(bytes), Verify::always);
  } catch (const FileError& error) {
    throw FileError(std::string("This string of bytes ") + error.what());
  }
}

std::string content_hash(const Function& function) { return NetworkImage(function).content_hash; }

std::string read_content_hash(const std::string& path) {
  const InputFile file(path);
  try {
    return read_preamble(file.read(format::first_page).bytes, file.size()).checksum;
  } catch (const FileError& error) {
    throw FileError("'" + path + "' " + error.what());
  }
}

}  // namespace fastexpr
