#include <unistd.h>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>

#include "ampl/interface.hpp"
#include "fuzzing.hpp"
#include "io/network_file.hpp"

// The AMPL library, called as a solver calls it: with records of any counts, places and strings, call after call.

using namespace fastexpr;
using namespace fastexpr::ampl;

extern "C" void funcadd_ASL(const ExportTable* exports);

namespace {

ExternalFunction function = nullptr;

void remember(const char*, ExternalFunction added, int, int, void*, const ExportTable*) { function = added; }

/// Two networks, a file that is none, and a folder; removed when the process ends.
struct Files {
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("fastexpr_fuzz_" + std::to_string(::getpid()));
  std::vector<std::string> paths;

  Files() {
    std::filesystem::create_directories(folder);
    for (const char* name : {"two.fx", "three.fx", "none.fx", "missing.fx"}) paths.push_back(folder / name);
    save(*fuzzing::chain(2, {"Tanh"}), paths[0]);
    save(*fuzzing::chain(3, {"Exp"}), paths[1]);
    std::FILE* file = std::fopen(paths[2].c_str(), "w");
    std::fputs("no network", file);
    std::fclose(file);
    paths.push_back(folder);
    paths.push_back("fastexpr:statistics");
    paths.push_back("");
  }
  ~Files() { std::filesystem::remove_all(folder); }
};

std::string text(fuzzing::Bytes& bytes) {
  static const char* const known[] = {"0", "1", "2", "3", "-1", "calls", "bytes", "", "99999999999999999999", "a"};
  const int choice = bytes.below(12);
  if (choice < 10) return known[choice];
  std::string result;
  for (int k = bytes.below(40); k > 0; --k) result += static_cast<char>(1 + bytes.below(255));
  return result;
}

void call(fuzzing::Bytes& bytes, Files& files) {
  const int n_strings = bytes.below(16) == 0 ? bytes.below(5) : 3;
  const std::size_t n_reals =
      bytes.below(8) == 0 ? static_cast<std::size_t>(bytes.below(5)) : 2 + static_cast<std::size_t>(bytes.below(2));
  std::vector<std::string> texts;
  for (int k = 0; k < n_strings; ++k)
    texts.push_back(k == 0 ? files.paths[static_cast<std::size_t>(bytes.below(static_cast<int>(files.paths.size())))]
                           : text(bytes));
  std::vector<const char*> strings;
  for (const std::string& string : texts) strings.push_back(string.c_str());
  std::vector<int> places;
  for (int k = 0; k < n_strings; ++k) places.push_back(-(k + 1));
  for (std::size_t k = 0; k < n_reals; ++k) places.push_back(static_cast<int>(k));
  const std::vector<double> reals = bytes.numbers(n_reals);
  std::vector<double> derivatives(n_reals), hessian(n_reals * (n_reals + 1) / 2);
  const int order = bytes.below(3);
  ArgumentRecord record{};
  record.n_arguments = static_cast<int>(places.size());
  record.n_reals = static_cast<int>(n_reals);
  record.places = places.data();
  record.reals = reals.data();
  record.strings = strings.data();
  record.derivatives = order > 0 ? derivatives.data() : nullptr;
  record.hessian = order > 1 ? hessian.data() : nullptr;
  const double value = function(&record);
  fuzzing::expect(record.error == nullptr ? std::isfinite(value) : std::isnan(value), "a value and a message, or none of both");
  if (record.error != nullptr) fuzzing::expect(std::strlen(record.error) > 10, "an empty message");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Files files;
  if (function == nullptr) {
    static ExportTable exports{};
    exports.add_function = remember;
    funcadd_ASL(&exports);
  }
  fuzzing::Bytes bytes({data, size});
  for (int k = 0; k < 20 && !bytes.at_end(); ++k) {
    if (bytes.below(256) == 77) save(*fuzzing::chain(2, {bytes.below(2) ? "Tanh" : "Sin"}), files.paths[0]);
    call(bytes, files);
  }
  return 0;
}
