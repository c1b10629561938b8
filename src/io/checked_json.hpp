#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/shape.hpp"

// JSON that nobody vouches for: limited in depth, every type and range checked.
// `where` names the place in messages: "node 12".

namespace fastexpr {

/// A tree of values. nlohmann's own takes memory in its destructor, where the lack of it would end the process.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;
  using Value = std::variant<std::nullptr_t, bool, Index, std::uint64_t, double, std::string, Array, Object>;

  void set(Value&& value) { value_ = std::move(value); }

  const char* type_name() const;
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  bool is_integer() const { return std::holds_alternative<Index>(value_) || std::holds_alternative<std::uint64_t>(value_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }

  /// Each for values of that type only.
  const std::string& text() const { return std::get<std::string>(value_); }
  const Array& array() const { return std::get<Array>(value_); }
  const Object& object() const { return std::get<Object>(value_); }
  Array& array() { return std::get<Array>(value_); }
  Object& object() { return std::get<Object>(value_); }
  double number() const;
  /// Null where the integer has more than 64 bits with its sign.
  const Index* integer() const { return std::get_if<Index>(&value_); }

 private:
  Value value_;
};

/// "is malformed: <where>: <what>..."
[[noreturn]] void refuse_malformed(const std::string& where, const std::string& what);

/// Refuses nesting deeper than the format has, names that occur twice, and texts that are not UTF-8.
Json parse_json(std::string_view text, const std::string& where);

/// Refuses anything but an object with these members at most.
void expect_members(const Json& json, std::initializer_list<std::string_view> known, const std::string& where);
const Json* find_member(const Json& object, const char* name);
const Json& member(const Json& object, const char* name, const std::string& where);
const Json::Array& array_member(const Json& object, const char* name, const std::string& where);

const std::string& text_of(const Json& json, const std::string& where);
Index integer_of(const Json& json, const std::string& where);
std::vector<Index> integers_of(const Json& json, const std::string& where);
std::vector<std::string> texts_of(const Json& json, const std::string& where);
/// Dimensions that are not negative, at most 64 of them, at most 2^40 elements.
Shape shape_of(const Json& json, const std::string& where);

}  // namespace fastexpr
