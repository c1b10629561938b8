#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "graph/shape.hpp"

// JSON that nobody vouches for: limited in depth, every type and range checked. For .cpp files of this folder only.
// `where` names the place in messages: "node 12".

namespace fastexpr {

using Json = nlohmann::json;

/// "is malformed: <where>: <what>..."
[[noreturn]] void refuse_malformed(const std::string& where, const std::string& what);

/// Refuses nesting deeper than the format has, names that occur twice, and texts that are not UTF-8.
Json parse_json(std::string_view text, const std::string& where);

/// Refuses anything but an object with these members at most.
void expect_members(const Json& json, std::initializer_list<std::string_view> known, const std::string& where);
const Json* find_member(const Json& object, const char* name);
const Json& member(const Json& object, const char* name, const std::string& where);
const Json& array_member(const Json& object, const char* name, const std::string& where);

const std::string& text_of(const Json& json, const std::string& where);
Index integer_of(const Json& json, const std::string& where);
std::vector<Index> integers_of(const Json& json, const std::string& where);
std::vector<std::string> texts_of(const Json& json, const std::string& where);
/// Dimensions that are not negative, at most 64 of them, at most 2^40 elements.
Shape shape_of(const Json& json, const std::string& where);

}  // namespace fastexpr
