#include "c/calls.hpp"

#include <cmath>
#include <cstdio>
#include <new>
#include <system_error>

#include "graph/errors.hpp"

namespace fastexpr::c {

namespace {

thread_local char message[2000] = "";

}  // namespace

fastexpr_status fail(fastexpr_status status, const char* call, const char* text) noexcept {
  std::snprintf(message, sizeof message, "[%s] %s", call, text);
  return status;
}

fastexpr_status fail_by_exception(const char* call) noexcept {
  try {
    throw;
  } catch (const Invalid& error) {
    return fail(FASTEXPR_INVALID, call, error.what());
  } catch (const FileError& error) {
    return fail(FASTEXPR_FILE, call, error.what());
  } catch (const GraphError& error) {
    return fail(FASTEXPR_FILE, call, error.what());
  } catch (const ShapeError& error) {
    return fail(FASTEXPR_FILE, call, error.what());
  } catch (const std::system_error& error) {
    return fail(FASTEXPR_FILE, call, error.what());
  } catch (const std::bad_alloc&) {
    return fail(FASTEXPR_NO_MEMORY, call, "there is no memory left for this.");
  } catch (const std::exception& error) {
    return fail(FASTEXPR_FAILED, call, error.what());
  } catch (...) {
    return fail(FASTEXPR_FAILED, call, "an unknown error.");
  }
}

void expect(const void* pointer, const char* name) {
  if (pointer == nullptr) throw Invalid(std::string(name) + " is missing: got a null pointer.");
}

void expect_finite(const double* numbers, std::int64_t count, const char* name) {
  if (count == 0) return;
  expect(numbers, name);
  for (std::int64_t i = 0; i < count; ++i)
    if (!std::isfinite(numbers[i]))
      throw Invalid(std::string(name) + " is not finite: number " + std::to_string(i) + ", counted from 0, is " +
                    std::to_string(numbers[i]) + ".");
}

}  // namespace fastexpr::c

const char* fastexpr_error(void) { return fastexpr::c::message; }
