#pragma once

#include <charconv>
#include <string>

namespace fastexpr {

/// A number as text, with a point whatever the process's locale says: std::to_string and printf follow that.
inline std::string decimal(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

/// The same with so many digits, as printf's %g.
inline std::string decimal(double number, int digits) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number, std::chars_format::general, digits).ptr};
}

}  // namespace fastexpr
