#include "io/checked_json.hpp"

#include <algorithm>
#include <limits>
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
class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit TreeBuilder(const std::string& where) : where_(where) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& value) override { return add(std::move(value)); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [entry, is_new] = open_.back()->get_ref<Json::object_t&>().emplace(name, nullptr);
    if (!is_new) refuse_malformed(where_, "the name '" + name + "' occurs twice");
    member_ = &entry->second;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    refuse_malformed(where_, error.what());
  }

 private:
  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    look_for_interruption();
    if (open_.size() == format::deepest_json) refuse_malformed(where_, "the JSON text is nested too deeply");
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  /// Where the value came to lie: it stays there as long as it is open, because nothing is added beside it meanwhile.
  Json* place(Json value) {
    Json* target = &root_;
    if (!open_.empty() && open_.back()->is_array())
      target = &open_.back()->emplace_back(nullptr);
    else if (!open_.empty())
      target = member_;
    *target = std::move(value);
    return target;
  }

  const std::string& where_;
  Json root_;
  std::vector<Json*> open_;
  Json* member_ = nullptr;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  TreeBuilder builder(where);
  Json::sax_parse(text, &builder);
  return builder.take();
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
