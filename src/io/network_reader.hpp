#pragma once

#include <memory>

#include "function/function.hpp"
#include "io/container.hpp"

namespace fastexpr {

/// The inner half of reading: the function whose graph and tensors are in the container. Throws FileError.
std::shared_ptr<Function> read_function(const Container& container);

}  // namespace fastexpr
