#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fastexpr.h"
#include "function/function.hpp"

/// What a C program holds by a pointer: a function, and the texts and lists that are handed out as pointers into it.
struct fastexpr_network {
  explicit fastexpr_network(std::shared_ptr<const fastexpr::Function> loaded);

  std::shared_ptr<const fastexpr::Function> function;
  std::vector<std::string> input_names;
  std::vector<std::string> output_names;
};
