#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

#include "bindings/bindings.hpp"
#include "io/network_file.hpp"
#include "io/network_image.hpp"

namespace fastexpr::bindings {

namespace {

using Type = py::class_<Function, std::shared_ptr<Function>>;

/// A str, bytes or os.PathLike as the system's own bytes.
std::string path_from(const py::object& path) {
  const auto encoded = called(imported("os", "fsencode"), py::make_tuple(path)).cast<std::string>();
  if (encoded.find('\0') != std::string::npos) throw py::value_error("embedded null byte");
  return encoded;
}

/// Runs without the GIL; what the system refuses becomes FileNotFoundError, PermissionError, ...
template <class Action>
auto released(const py::object& path, const Action& action) {
  try {
    const WithoutGil released;
    return action();
  } catch (const std::system_error& error) {
    errno = error.code().value();
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path.ptr());
    throw py::error_already_set();
  }
}

Verify verify_from(const py::object& verify) {
  if (verify.is_none()) return Verify::below_64_megabytes;
  return verify.cast<bool>() ? Verify::always : Verify::never;
}

std::shared_ptr<Function> load_path(const py::object& path, const py::object& verify) {
  const std::string name = path_from(path);
  const Verify wanted = verify_from(verify);
  return released(path, [&] { return load(name, wanted); });
}

void save_path(const Function& function, const py::object& path) {
  const std::string name = path_from(path);
  released(path, [&] { save(function, name); });
}

py::bytes bytes_of(const Function& function) {
  std::optional<NetworkImage> made;
  {
    const WithoutGil released;
    made.emplace(function);
  }
  const NetworkImage& image = *made;
  auto bytes = py::reinterpret_steal<py::bytes>(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(image.size())));
  if (!bytes) throw py::error_already_set();
  char* target = PyBytes_AS_STRING(bytes.ptr());
  for (const std::span<const std::byte> piece : image.pieces)
    target = std::copy_n(reinterpret_cast<const char*>(piece.data()), piece.size(), target);
  return bytes;
}

std::shared_ptr<Function> function_from(const py::bytes& bytes) {
  const auto view = static_cast<std::string_view>(bytes);
  const WithoutGil released;
  return from_bytes(std::as_bytes(std::span(view)));
}

constexpr const char* load_text = R"(Load a network that ``Function.save`` wrote.

Parameters
----------
path : str or os.PathLike
verify : bool, optional
    Compare the weights with their checksum, which reads all of the file. Default: below 64 MB. The checksums of the
    header and of the graph are always compared.

Returns
-------
Function
    Its weights are mapped from a file of 4 MB or more: loading is immediate, and processes share the memory. Replacing
    the file is safe, overwriting it in place is not.

Raises
------
FileError
    The file is truncated, altered, of a newer format, or no saved network.
OSError
    It is missing, a folder, or may not be read (FileNotFoundError, IsADirectoryError, PermissionError).

Examples
--------
>>> import tempfile, fastexpr as fx
>>> x = fx.variables(2)
>>> path = tempfile.mkdtemp() + "/product.fx"
>>> fx.Function(x, x[0] * x[1]).save(path)
>>> fx.load(path)([2.0, 3.0])
array([6.])
)";

constexpr const char* save_text = R"(Save the network: weights in their own precision, graph, names and bounds.

The file is a safetensors file. It is written beside `path` and then renamed, so `path` never holds half a network.

Parameters
----------
path : str or os.PathLike

Raises
------
OSError
    The system refuses (no such folder, no permission, disk full); what was at `path` stays.

See Also
--------
fastexpr.load
)";

constexpr const char* hash_text_documentation =
    "16 hexadecimal digits that name graph, names, bounds and weights: equal for networks that save to equal files.";

}  // namespace

void define_files(py::module_& module) {
  module.def("load", &load_path, py::arg("path"), py::arg("verify") = py::none(), load_text);
  module.def("save", &save_path, py::arg("function"), py::arg("path"), save_text);
  module.def("to_bytes", &bytes_of, py::arg("function"), "What `save` would write.");
  module.def("from_bytes", &function_from, py::arg("data"),
             "The network that `to_bytes` wrote; its weights are always verified.");
  module.def(
      "content_hash",
      [](const Function& function) {
        const WithoutGil released;
        return content_hash(function);
      },
      py::arg("function"), hash_text_documentation);
  module.def(
      "read_content_hash",
      [](const py::object& path) {
        const std::string name = path_from(path);
        return released(path, [&] { return read_content_hash(name); });
      },
      py::arg("path"), "The content hash of a saved network, from the first page of its file.");
  auto type = py::reinterpret_borrow<Type>(module.attr("Function"));
  type.def("save", &save_path, py::arg("path"), save_text);
}

}  // namespace fastexpr::bindings
