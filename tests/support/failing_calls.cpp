// Loaded before everything else: operations on files that fail at the n-th call from now on, once.

#include <dlfcn.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>

namespace {

long left = -1;  // negative: none fails
long count = 0;

bool fails() {
  ++count;
  return left >= 0 && left-- == 0;
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {
void fail_at(long n) {
  left = n;
  count = 0;
}
long count_calls() { return count; }

ssize_t write(int descriptor, const void* data, size_t size) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  if (!fails()) return real(descriptor, data, size);
  errno = ENOSPC;
  return -1;
}
ssize_t pread(int descriptor, void* data, size_t size, off_t at) {
  static const auto real = next<ssize_t (*)(int, void*, size_t, off_t)>("pread");
  if (!fails()) return real(descriptor, data, size, at);
  errno = EIO;
  return -1;
}
int fsync(int descriptor) {
  static const auto real = next<int (*)(int)>("fsync");
  if (!fails()) return real(descriptor);
  errno = EIO;
  return -1;
}
int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  if (!fails()) return real(from, to);
  errno = EACCES;
  return -1;
}
}
