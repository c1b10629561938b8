#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "fastexpr.h"

// What every call has around it: exceptions become a status and a text, arguments are looked at.

namespace fastexpr::c {

/// A caller's mistake, said in full.
struct Invalid : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Remembers the text for fastexpr_error(). Never throws.
fastexpr_status fail(fastexpr_status status, const char* call, const char* text) noexcept;

/// The status of the exception that is being handled; to be called in a catch block.
fastexpr_status fail_by_exception(const char* call) noexcept;

/// Runs the body; whatever leaves it becomes a status.
template <class Body>
fastexpr_status guarded(const char* call, const Body& body) noexcept {
  try {
    body();
    return FASTEXPR_OK;
  } catch (...) {
    return fail_by_exception(call);
  }
}

/// Throws Invalid for a null pointer.
void expect(const void* pointer, const char* name);

/// Throws Invalid for a null pointer (unless there are no numbers) and for a number that is not finite.
void expect_finite(const double* numbers, std::int64_t count, const char* name);

}  // namespace fastexpr::c
