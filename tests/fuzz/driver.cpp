#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <string>

#include "fuzzing.hpp"

// For compilers without libFuzzer: a target over the files of a corpus, then over mutations of them that nothing guides, with the
// arguments of libFuzzer: FOLDER... [-runs=N] [-seed=N].

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" [[gnu::weak]] std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t largest,
                                                             unsigned int seed);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t largest = 1 << 16;
std::mt19937 randomness;

std::size_t below(std::size_t limit) { return randomness() % limit; }

Input contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t limit) {
  if (size == 0 || (size < limit && below(4) == 0)) {  // insert
    const std::size_t at = below(size + 1);
    std::memmove(data + at + 1, data + at, size - at);
    data[at] = static_cast<std::uint8_t>(below(256));
    return size + 1;
  }
  const std::size_t at = below(size);
  switch (below(4)) {
    case 0:
      data[at] ^= static_cast<std::uint8_t>(1u << below(8));
      return size;
    case 1:
      data[at] = static_cast<std::uint8_t>(below(256));
      return size;
    case 2: {
      const std::size_t from = below(size), length = std::min({1 + below(16), size - at, size - from});
      std::memmove(data + at, data + from, length);
      return size;
    }
    default: {
      const std::size_t length = std::min(1 + below(8), size - at);
      std::memmove(data + at, data + at + length, size - at - length);
      return size - length;
    }
  }
}

int main(int n_arguments, char** arguments) {
  std::size_t runs = 0;
  std::vector<Input> corpus;
  for (int k = 1; k < n_arguments; ++k) {
    const std::string argument = arguments[k];
    if (argument.starts_with("-runs=")) {
      runs = std::stoul(argument.substr(6));
    } else if (argument.starts_with("-seed=")) {
      randomness.seed(static_cast<unsigned int>(std::stoul(argument.substr(6))));
    } else if (std::filesystem::is_directory(argument)) {
      std::vector<std::filesystem::path> paths;
      for (const auto& entry : std::filesystem::directory_iterator(argument)) paths.push_back(entry.path());
      std::sort(paths.begin(), paths.end());
      for (const auto& path : paths) corpus.push_back(contents(path));
    } else {
      corpus.push_back(contents(argument));
    }
  }
  for (const Input& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  if (corpus.empty()) corpus.push_back(Input(64, 0));
  for (std::size_t run = 0; run < runs; ++run) {
    Input input = corpus[below(corpus.size())];
    std::size_t size = input.size();
    input.resize(std::max(largest, size));
    for (std::size_t k = 1 + below(8); k > 0; --k)
      size = LLVMFuzzerCustomMutator != nullptr ? LLVMFuzzerCustomMutator(input.data(), size, input.size(), randomness())
                                                : LLVMFuzzerMutate(input.data(), size, input.size());
    input.resize(size);
    input.shrink_to_fit();
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::cout << corpus.size() << " files and " << runs << " mutations: no fault\n";
}
