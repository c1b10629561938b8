#include "io/checked_json.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "graph/errors.hpp"
#include "io/format.hpp"
#include "linalg/interruption.hpp"

namespace fastexpr {

void refuse_malformed(const std::string& where, const std::string& what) {
  constexpr std::size_t longest = 300;  // names in a wrong file may be of any length
  const std::string clipped = what.size() > longest ? what.substr(0, longest) + "..." : what;
  throw FileError("is malformed: " + where + ": " + clipped +
                  ". It was not written by fastexpr, or it was edited: save the network again.");
}

namespace {

/// Builds the tree while the text is read: nlohmann's own builder has no limits, and its callback form takes quadratic time.
class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit TreeBuilder(const std::string& where) : where_(where) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(Json::Value(std::in_place_index<0>)); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(Index{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    return std::in_range<Index>(value) ? add(static_cast<Index>(value)) : add(std::uint64_t{value});
  }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // no text has such a value
  bool start_object(std::size_t) override { return open(Json::Object()); }
  bool start_array(std::size_t) override { return open(Json::Array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [entry, is_new] = open_.back()->object().emplace(name, Json());
    if (!is_new) refuse_malformed(where_, "the name '" + name + "' occurs twice");
    member_ = &entry->second;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) override {
    refuse_malformed(where_, error.what());
  }

 private:
  bool add(Json::Value&& value) {
    place()->set(std::move(value));
    return true;
  }

  bool open(Json::Value&& value) {
    look_for_interruption();
    if (open_.size() == format::deepest_json) refuse_malformed(where_, "the JSON text is nested too deeply");
    open_.push_back(place());
    open_.back()->set(std::move(value));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  /// Where the next value comes to lie: it stays there as long as it is open, because nothing is added beside it meanwhile.
  Json* place() {
    if (open_.empty()) return &root_;
    return open_.back()->is_array() ? &open_.back()->array().emplace_back() : member_;
  }

  const std::string& where_;
  Json root_;
  std::vector<Json*> open_;
  Json* member_ = nullptr;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  TreeBuilder builder(where);
  nlohmann::json::sax_parse(text, &builder);
  return builder.take();
}

const char* Json::type_name() const {
  constexpr std::array names{"null", "boolean", "number", "number", "number", "string", "array", "object"};
  return names.at(value_.index());
}

double Json::number() const {
  if (const auto* integer = std::get_if<Index>(&value_)) return static_cast<double>(*integer);
  if (const auto* integer = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*integer);
  return std::get<double>(value_);
}

void expect_members(const Json& json, std::initializer_list<std::string_view> known, const std::string& where) {
  if (!json.is_object()) refuse_malformed(where, std::string("got JSON of type ") + json.type_name() + ", expected an object");
  for (const auto& [name, value] : json.object())
    if (std::find(known.begin(), known.end(), name) == known.end()) refuse_malformed(where, "unknown entry '" + name + "'");
}

const Json* find_member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.object().find(name);
  return found == object.object().end() ? nullptr : &found->second;
}

const Json& member(const Json& object, const char* name, const std::string& where) {
  const Json* found = find_member(object, name);
  if (found == nullptr) refuse_malformed(where, std::string("the entry '") + name + "' is missing");
  return *found;
}

namespace {
const Json::Array& expect_array(const Json& json, const std::string& where) {
  if (!json.is_array()) refuse_malformed(where, std::string("got JSON of type ") + json.type_name() + ", expected an array");
  return json.array();
}
}  // namespace

const Json::Array& array_member(const Json& object, const char* name, const std::string& where) {
  return expect_array(member(object, name, where), where);
}

const std::string& text_of(const Json& json, const std::string& where) {
  if (!json.is_string()) refuse_malformed(where, std::string("got JSON of type ") + json.type_name() + ", expected a text");
  return json.text();
}

Index integer_of(const Json& json, const std::string& where) {
  if (json.integer() == nullptr)
    refuse_malformed(where, "got " + std::string(json.type_name()) + ", expected an integer of 64 bits");
  return *json.integer();
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
