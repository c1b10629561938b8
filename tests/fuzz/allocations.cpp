#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <new>
#include <string>

#include "fuzzing.hpp"
#include "io/network_file.hpp"
#include "linalg/thread_pool.hpp"
#include "nlp/cell_functions.hpp"
#include "nlp/network.hpp"
#include "nlp/nlp_functions.hpp"
#include "nlp/opcodes.hpp"

// Every allocation of a call fails once: the call ends in std::bad_alloc, and the same call works afterwards.
// Arguments: folders of saved networks.

using namespace fastexpr;

namespace {

long allocations_left = -1;  // until one fails; negative: none does

void* allocate(std::size_t size, std::size_t alignment) {
  if (allocations_left >= 0 && allocations_left-- == 0) return nullptr;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(size > 0 ? size : 1);
  void* memory = nullptr;
  return posix_memalign(&memory, alignment, size) == 0 ? memory : nullptr;
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  void* memory = allocate(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

/// How often the call failed.
long fail_everywhere(const std::function<void()>& call) {
  call();  // what is made once and kept
  for (long n = 0;; ++n) {
    allocations_left = n;
    try {
      call();
    } catch (const std::bad_alloc&) {
    }
    const bool was_reached = allocations_left < 0;
    allocations_left = -1;
    if (!was_reached) return n;
    call();
  }
}

long fail_everywhere(const std::string& bytes) {
  const auto read = [&] { return from_bytes(std::as_bytes(std::span(bytes))); };
  const std::shared_ptr<Function> kept = read();
  const Index n = kept->n_inputs(), m = kept->n_outputs();
  const auto size = [](Index count) { return static_cast<std::size_t>(count); };
  const std::vector<double> x(size(n), 0.25), weights(size(m), 1.0), lower(size(n), -1.0), upper(size(n), 1.0);
  std::vector<double> value(size(m)), jacobian(size(m * n)), hessian(size(n * n)), high(size(m)), product(size(n));
  long failures = 0;
  failures += fail_everywhere([&] { read(); });
  failures += fail_everywhere([&] { to_bytes(*kept); });
  failures += fail_everywhere([&] {
    const auto function = read();  // its workspaces are not made yet
    function->evaluate({.x = x.data(),
                        .weights = weights.data(),
                        .value = value.data(),
                        .jacobian = jacobian.data(),
                        .hessian = hessian.data()});
    function->hvp(1, x.data(), weights.data(), x.data(), product.data());
    function->sparse_hessian(x.data(), weights.data(), hessian.data());
  });
  failures +=
      fail_everywhere([&] { read()->bounds({1, lower.data(), upper.data()}, BoundsMethod::linear, value.data(), high.data()); });
  return failures;
}

/// tanh(max(x0 * x1, u)) + |x0| with u of a network of x.
long fail_everywhere_in_a_program() {
  using namespace nlp;
  const std::vector<tape::ExternalPointer> targets{std::make_shared<Network>(fuzzing::chain(2, {"Relu", "Tanh"}))};
  const auto x = [](std::int32_t i) { return i * 4 + static_cast<std::int32_t>(Kind::variable); };
  const auto node = [](std::int32_t i) { return i * 4; };
  const std::vector<std::uint8_t> opcodes{product, call, output, maximum, nlp::abs, sum};
  const std::vector<std::int32_t> counts{2, 3, 2, 2, 1, 2};
  const std::vector<std::int32_t> operands{x(0), x(1), 0, x(0), x(1), 1, node(1), node(0), node(2), x(0), node(3), node(4)};
  const std::vector<std::int32_t> rows{node(2), node(0)};
  const Statement statement{opcodes, counts, operands, {}, 2, 0, node(5), rows};
  const std::vector<double> at{0.5, -0.25}, multipliers(8, 1.0);
  return fail_everywhere([&] {
    NlpFunctions program(statement, targets, true);
    std::vector<double> values(16);
    program.constraints(at.data(), values.data());
    program.jacobian(at.data(), values.data());
    program.hessian(at.data(), multipliers.data(), 1.0, values.data());
    const auto cells = program.cells();
    std::vector<Branch> branches(static_cast<std::size_t>(cells->n_units()));
    cells->branches(at.data(), branches.data());
    cells->freeze(branches.data());
    cells->choose(cells->walls(at.data()).walls);
    std::vector<double> jacobian(static_cast<std::size_t>(cells->n_jacobian_entries()));
    cells->jacobian(at.data(), jacobian);
  });
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size, 0); }
void* operator new[](std::size_t size) { return allocate_or_throw(size, 0); }
void* operator new(std::size_t size, std::align_val_t to) { return allocate_or_throw(size, static_cast<std::size_t>(to)); }
void* operator new[](std::size_t size, std::align_val_t to) { return allocate_or_throw(size, static_cast<std::size_t>(to)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

int main(int n_arguments, char** arguments) {
  linalg::use_one_thread_unless_told();
  long failures = fail_everywhere_in_a_program();
  int networks = 0;
  for (int k = 1; k < n_arguments; ++k) {
    for (const auto& entry : std::filesystem::directory_iterator(arguments[k])) {
      std::ifstream file(entry.path(), std::ios::binary);
      failures += fail_everywhere(std::string(std::istreambuf_iterator<char>(file), {}));
      ++networks;
    }
  }
  std::printf("%d networks, %ld allocations failed\n", networks, failures);
}
