#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "function/function.hpp"

// The saved network: see format.hpp for the container and network_writer.cpp for the graph inside it.

namespace fastexpr {

/// Whether the weights are compared with their checksum: all of the file is read then. Header and graph always are.
enum class Verify { below_64_megabytes, always, never };

/// Writes a temporary file beside `path` and renames it, so `path` is the old file or the new one, never half of one.
/// Throws std::system_error where the system refuses (nothing is left behind), FileError for a target that is no file.
void save(const Function& function, const std::string& path);

/// Large files are mapped: loading is immediate, and processes share the pages. Never overwrite such a file in place.
/// Throws std::system_error where the system refuses, FileError (naming the file) for anything wrong in it.
std::shared_ptr<Function> load(const std::string& path, Verify verify = Verify::below_64_megabytes);

/// What `save` would write, as one string of bytes.
std::string to_bytes(const Function& function);

/// The opposite of to_bytes; the bytes are copied, and their checksums compared.
std::shared_ptr<Function> from_bytes(std::span<const std::byte> bytes);

/// 16 hexadecimal digits that name graph, names, bounds and weights, equal for equal saved files.
std::string content_hash(const Function& function);

/// The same from a file, reading its first page only. Throws as `load` does for a file that cannot be a whole network.
std::string read_content_hash(const std::string& path);

}  // namespace fastexpr
