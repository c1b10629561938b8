#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <utility>

#include "function/function.hpp"
#include "nlp/nlp_functions.hpp"
#include "rules/condition_table.hpp"
#include "search/box_search.hpp"

// An object whose __init__ has not run (a subclass that uses itself before super().__init__, or __new__ alone) holds nothing.
// pybind11 would hand out memory that nobody has filled: these casters refuse it. Every file that binds must see them.

namespace fastexpr::bindings {

namespace py = pybind11;

/// A `__new__` that subclasses can call. Type.__new__(Type) alone is a TypeError: there would be nothing in the object.
void define_new(py::object type);

template <class Kind>
class CheckedCaster : public py::detail::type_caster_base<Kind> {
  using Base = py::detail::type_caster_base<Kind>;

 public:
  bool load(py::handle source, bool convert) { return this->template load_impl<py::detail::type_caster<Kind>>(source, convert); }
  void load_value(py::detail::value_and_holder&& place) {
    if (!place.holder_constructed())
      throw py::type_error("[" + std::string(this->typeinfo->type->tp_name) +
                           "] the object is empty: its __init__ has not been called. What to do: in a subclass, call "
                           "super().__init__(...) before anything else.");
    Base::load_value(std::move(place));
  }
};

/// What the object holds, shared.
template <class Kind>
std::shared_ptr<Kind> shared_from(const py::handle& object) {
  (void)object.cast<const Kind&>();  // checked: the caster of shared pointers is pybind11's own
  return object.cast<std::shared_ptr<Kind>>();
}

}  // namespace fastexpr::bindings

namespace pybind11::detail {

template <>
class type_caster<fastexpr::Function> : public fastexpr::bindings::CheckedCaster<fastexpr::Function> {};
template <>
class type_caster<fastexpr::Operator> : public fastexpr::bindings::CheckedCaster<fastexpr::Operator> {};
template <>
class type_caster<fastexpr::nlp::NlpFunctions> : public fastexpr::bindings::CheckedCaster<fastexpr::nlp::NlpFunctions> {};

template <>
class type_caster<fastexpr::BoxSearch> : public fastexpr::bindings::CheckedCaster<fastexpr::BoxSearch> {};

template <>
class type_caster<fastexpr::rules::ConditionTable> : public fastexpr::bindings::CheckedCaster<fastexpr::rules::ConditionTable> {};

}  // namespace pybind11::detail
