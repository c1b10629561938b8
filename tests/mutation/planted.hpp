#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

// Every source file with planted faults begins with this. One build has all faults; the file that FASTEXPR_MUTATION names says
// which of them is in force (its first four bytes), and is told which were reached (a byte each). It is shared memory: processes
// that a test starts look there, too.

namespace fastexpr::mutation {

inline unsigned char* shared_memory() {
  constexpr std::size_t size = 1 << 16;
  const char* path = std::getenv("FASTEXPR_MUTATION");
  const int file = path != nullptr ? open(path, O_RDWR) : -1;
  void* memory = file >= 0 ? mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  if (file >= 0) close(file);
  static unsigned char nothing[size];
  return memory == MAP_FAILED ? nothing : static_cast<unsigned char*>(memory);
}

/// Whether fault k (from 1) is in force.
inline bool is_planted(int k) {
  static unsigned char* const memory = shared_memory();
  memory[k + 4] = 1;
  return *reinterpret_cast<volatile int*>(memory) == k;
}

}  // namespace fastexpr::mutation
