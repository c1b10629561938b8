#pragma once

#include <stdexcept>
#include <string>

namespace fastexpr {

// Each becomes the Python class of the same name in fastexpr.errors, which also derives from the built-in one named here.
// The message says what is wrong, what was got and expected, and what to do.

/// A graph that makes no sense: unknown operator, attribute out of range, an input that does not exist. (ValueError)
struct GraphError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws a GraphError. Operators do not say who they are: make_operator does.
[[noreturn]] inline void refuse(const std::string& what) { throw GraphError(what); }

/// A wrong shape, length or count. (ValueError)
struct ShapeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A file that is broken, altered, of a newer format, or not ours. (ValueError; OSError where the system refuses)
struct FileError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace fastexpr
