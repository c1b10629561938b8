#include "io/checked_json.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "graph/errors.hpp"
#include "io/format.hpp"

namespace fastexpr {

void refuse_malformed(const std::string& where, const std::string& what) {
  throw FileError("is malformed: " + where + ": " + what +
                  ". It was not written by fastexpr, or it was edited: save the network again.");
}

Json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> names;  // of the objects that are open
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > static_cast<int>(format::deepest_json)) refuse_malformed(where, "the JSON text is nested too deeply");
    if (event == Json::parse_event_t::object_start) names.emplace_back();
    if (event == Json::parse_event_t::object_end) names.pop_back();
    if (event == Json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second)
      refuse_malformed(where, "the name " + parsed.dump() + " occurs twice");
    return true;
  };
  try {
    return Json::parse(text, check);
  } catch (const Json::exception& error) {
    refuse_malformed(where, error.what());
  }
}

void expect_members(const Json& json, std::initializer_list<std::string_view> known, const std::string& where) {
  if (!json.is_object()) refuse_malformed(where, std::string("got JSON of type ") + json.type_name() + ", expected an object");
  for (const auto& [name, value] : json.items())
    if (std::find(known.begin(), known.end(), name) == known.end()) refuse_malformed(where, "unknown entry '" + name + "'");
}

const Json* find_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

const Json& member(const Json& object, const char* name, const std::string& where) {
  const Json* found = find_member(object, name);
  if (found == nullptr) refuse_malformed(where, std::string("the entry '") + name + "' is missing");
  return *found;
}

namespace {
const Json& expect_array(const Json& json, const std::string& where) {
  if (!json.is_array()) refuse_malformed(where, std::string("got JSON of type ") + json.type_name() + ", expected an array");
  return json;
}
}  // namespace

const Json& array_member(const Json& object, const char* name, const std::string& where) {
  return expect_array(member(object, name, where), where);
}

const std::string& text_of(const Json& json, const std::string& where) {
  if (!json.is_string()) refuse_malformed(where, std::string("got JSON of type ") + json.type_name() + ", expected a text");
  return json.get_ref<const std::string&>();
}

Index integer_of(const Json& json, const std::string& where) {
  const bool fits =
      !json.is_number_unsigned() || json.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
  if (!json.is_number_integer() || !fits)
    refuse_malformed(where, "got " + std::string(json.type_name()) + ", expected an integer of 64 bits");
  return json.get<Index>();
}

std::vector<Index> integers_of(const Json& json, const std::string& where) {
  std::vector<Index> integers;
  for (const Json& entry : expect_array(json, where)) integers.push_back(integer_of(entry, where));
  return integers;
}

std::vector<std::string> texts_of(const Json& json, const std::string& where) {
  std::vector<std::string> texts;
  for (const Json& entry : expect_array(json, where)) texts.push_back(text_of(entry, where));
  return texts;
}

Shape shape_of(const Json& json, const std::string& where) {
  Shape shape = integers_of(json, where);
  if (shape.size() > format::largest_rank)
    refuse_malformed(where, "a shape has " + std::to_string(shape.size()) + " dimensions, at most 64 are possible");
  try {
    size_of(shape);
  } catch (const ShapeError& error) {
    refuse_malformed(where, error.what());
  }
  return shape;
}

}  // namespace fastexpr
