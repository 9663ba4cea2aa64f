// 0, 1, ..., n - 1 as a pack. Loops over registers are written as folds over it: GCC 12 gives an
// array registers only where every index is a constant before it unrolls loops.
#pragma once

namespace jiang::kernels {

template <int... i>
struct Indices {};
template <int n, int... i>
struct MakeIndices : MakeIndices<n - 1, n - 1, i...> {};
template <int... i>
struct MakeIndices<0, i...> {
  typedef Indices<i...> type;
};
typedef MakeIndices<4>::type Four;
typedef MakeIndices<8>::type Eight;

}  // namespace jiang::kernels

#define JIANG_INLINE static inline __attribute__((always_inline))
