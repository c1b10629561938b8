#pragma once

#include "linalg/matrix.hpp"

// Vectors by the compiler's own extension: the same source gives NEON, SSE2, AVX2 and AVX-512 code.
// Everything in this folder has internal linkage and includes no header of the standard library (see kernels.hpp).

namespace fastexpr::linalg {
namespace {

template <int lanes>
struct VectorTypes;

template <>
struct VectorTypes<2> {
  using Double = double __attribute__((vector_size(16)));
  using Float = float __attribute__((vector_size(8)));
  using Mask = long __attribute__((vector_size(16)));
};
template <>
struct VectorTypes<4> {
  using Double = double __attribute__((vector_size(32)));
  using Float = float __attribute__((vector_size(16)));
  using Mask = long __attribute__((vector_size(32)));
};
template <>
struct VectorTypes<8> {
  using Double = double __attribute__((vector_size(64)));
  using Float = float __attribute__((vector_size(32)));
  using Mask = long __attribute__((vector_size(64)));
};

template <int lanes>
using Vector = typename VectorTypes<lanes>::Double;

/// A vector anywhere in memory: an alignment that is an attribute of the vector's type is lost by Clang in templates.
template <class Numbers>
struct [[gnu::packed, gnu::may_alias]] Loose {
  Numbers numbers;
};

/// `lanes` numbers from memory, widened to double; no alignment is asked for.
template <int lanes>
inline Vector<lanes> load(const double* x) {
  return reinterpret_cast<const Loose<Vector<lanes>>*>(x)->numbers;
}
template <int lanes>
inline Vector<lanes> load(const float* x) {
  using Float = typename VectorTypes<lanes>::Float;
  const Float numbers = reinterpret_cast<const Loose<Float>*>(x)->numbers;
  // GCC 12 halves the conversion of a whole register, which costs more than the product it is for.
#if defined(__AVX512F__) && !defined(__clang__)
  if constexpr (lanes == 8) return __builtin_ia32_cvtps2pd512_mask(numbers, Vector<8>{}, -1, 4);
#endif
#if defined(__AVX2__) && !defined(__clang__)
  if constexpr (lanes == 4) return __builtin_ia32_cvtps2pd256(numbers);
#endif
  return __builtin_convertvector(numbers, Vector<lanes>);
}

template <int lanes>
inline void store(double* y, Vector<lanes> numbers) {
  reinterpret_cast<Loose<Vector<lanes>>*>(y)->numbers = numbers;
}

/// Asks for numbers that are read once and wanted soon, past the caches where that is possible.
template <class Number>
inline void ask_for_once(const Number* x) {
  constexpr Index ahead = 256;  // bytes
  __builtin_prefetch(x + ahead / static_cast<Index>(sizeof(Number)), 0, 0);
}

/// The sum of each of `lanes` vectors, in one: neighbours are added first, then pairs, then halves, so that a sum does not depend
/// on where in the list it stands.
template <int lanes>
inline Vector<lanes> sums(const Vector<lanes>* v) {
  if constexpr (lanes == 2) {
    return __builtin_shufflevector(v[0], v[1], 0, 2) + __builtin_shufflevector(v[0], v[1], 1, 3);
  } else if constexpr (lanes == 4) {
    Vector<4> pairs[2];
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k)
      pairs[k] = __builtin_shufflevector(v[2 * k], v[2 * k + 1], 0, 4, 2, 6) +
                 __builtin_shufflevector(v[2 * k], v[2 * k + 1], 1, 5, 3, 7);
    return __builtin_shufflevector(pairs[0], pairs[1], 0, 1, 4, 5) + __builtin_shufflevector(pairs[0], pairs[1], 2, 3, 6, 7);
  } else {
    Vector<8> pairs[4], fours[2];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k)
      pairs[k] = __builtin_shufflevector(v[2 * k], v[2 * k + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
                 __builtin_shufflevector(v[2 * k], v[2 * k + 1], 1, 9, 3, 11, 5, 13, 7, 15);
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k)
      fours[k] = __builtin_shufflevector(pairs[2 * k], pairs[2 * k + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
                 __builtin_shufflevector(pairs[2 * k], pairs[2 * k + 1], 2, 3, 10, 11, 6, 7, 14, 15);
    return __builtin_shufflevector(fours[0], fours[1], 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(fours[0], fours[1], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

inline double sum(Vector<2> v) { return v[0] + v[1]; }
inline double sum(Vector<4> v) { return sum(Vector<2>{v[0], v[1]} + Vector<2>{v[2], v[3]}); }
inline double sum(Vector<8> v) { return sum(Vector<4>{v[0], v[1], v[2], v[3]} + Vector<4>{v[4], v[5], v[6], v[7]}); }

/// The sums of `count` vectors.
template <int lanes, int count>
inline void put_sums(const Vector<lanes>* v, double* out) {
  int k = 0;
#pragma GCC unroll 16
  for (; k + lanes <= count; k += lanes) store<lanes>(out + k, sums<lanes>(v + k));
  if constexpr (count % lanes != 0) {
    Vector<lanes> rest[lanes] = {};
#pragma GCC unroll 8
    for (int i = 0; i < count % lanes; ++i) rest[i] = v[count / lanes * lanes + i];
    const Vector<lanes> last = sums<lanes>(rest);
#pragma GCC unroll 8
    for (int i = 0; i < count % lanes; ++i) out[count / lanes * lanes + i] = last[i];
  }
}

/// Keeps lanes [skipped, lanes) of a vector when and-ed with it.
template <int lanes>
inline typename VectorTypes<lanes>::Mask keep_last(Index kept) {
  typename VectorTypes<lanes>::Mask mask;
  for (int i = 0; i < lanes; ++i) mask[i] = i >= lanes - kept ? -1 : 0;
  return mask;
}
template <int lanes>
inline Vector<lanes> select(typename VectorTypes<lanes>::Mask mask, Vector<lanes> numbers) {
  using Mask = typename VectorTypes<lanes>::Mask;
  return reinterpret_cast<Vector<lanes>>(reinterpret_cast<Mask>(numbers) & mask);
}

}  // namespace
}  // namespace fastexpr::linalg
