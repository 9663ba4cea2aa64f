// gemm_panel and pack_columns of kernels/training.h over vectors. Included by the ISA folders after
// their simd.h and a definition of kGemmRows.
#include "kernels/indices.h"
#include "kernels/training.h"

namespace jiang::kernels {
namespace {

constexpr int64_t kGemmCols = 2 * kLanes;

// `rows` rows by two vectors; i counts (row, half). Loops over registers are folds: GCC 12 keeps
// arrays in registers only then.
template <int rows, int... i>
JIANG_INLINE void gemm_tile(const GemmPanel* p, const float* a, const float* b, int64_t b_stride,
                            float* c, int64_t c_stride, int64_t n_k, bool resume, Indices<i...>) {
  F acc[sizeof...(i)];
  if (resume) {
    ((acc[i] = load(c + i / 2 * c_stride + i % 2 * kLanes)), ...);
  } else {
    ((acc[i] = zero()), ...);
  }
  const int64_t row = p->a_row, next = p->a_k;
  for (int64_t k = 0; k < n_k; ++k, a += next, b += b_stride) {
    const F b0 = load(b), b1 = load(b + kLanes);
    ((acc[i] = fma(set1(a[i / 2 * row]), i % 2 ? b1 : b0, acc[i])), ...);
  }
  (store(c + i / 2 * c_stride + i % 2 * kLanes, acc[i]), ...);
}

template <int rows>
__attribute__((noinline)) void gemm_rows(const GemmPanel* p, const float* a, const float* b,
                                         int64_t b_stride, float* c, int64_t c_stride, int64_t n_k,
                                         bool resume) {
  gemm_tile<rows>(p, a, b, b_stride, c, c_stride, n_k, resume,
                  typename MakeIndices<2 * rows>::type());
}

typedef void (*GemmRows)(const GemmPanel*, const float*, const float*, int64_t, float*, int64_t,
                         int64_t, bool);

template <int... r>
inline GemmRows gemm_rows_of(int64_t rows, Indices<r...>) {
  static constexpr GemmRows kBySize[] = {gemm_rows<r + 1>...};
  return kBySize[rows - 1];
}

// All m rows, n columns that may be read and written in whole vectors.
inline void gemm_whole(const GemmPanel* p, const float* a, const float* b, int64_t b_stride,
                       float* c, int64_t c_stride, int64_t n_k, bool resume) {
  int64_t i = 0;
  for (; i + kGemmRows <= p->m; i += kGemmRows, a += p->a_group, c += kGemmRows * c_stride)
    gemm_rows<kGemmRows>(p, a, b, b_stride, c, c_stride, n_k, resume);
  if (i == p->m) return;
  gemm_rows_of(p->m - i, typename MakeIndices<kGemmRows>::type())(p, a, b, b_stride, c, c_stride,
                                                                  n_k, resume);
}

void gemm_panel(const GemmPanel* p) {
  if (p->n == kGemmCols)
    return gemm_whole(p, p->a, p->b, p->b_stride, p->c, p->c_stride, p->k, p->resume);
  // Fewer columns: through padded copies of C, and of B where its rows end.
  constexpr int64_t kSlice = 64;
  float c[kGemmRows * kGemmCols];
  float b[kSlice * kGemmCols];
  GemmPanel part = *p;
  for (int64_t first = 0; first < p->m; first += kGemmRows) {
    part.m = p->m - first < kGemmRows ? p->m - first : kGemmRows;
    part.a = p->a + first / kGemmRows * p->a_group;
    for (int64_t i = 0; i < part.m; ++i) {
      for (int64_t j = 0; j < kGemmCols; ++j) {
        c[i * kGemmCols + j] = p->resume && j < p->n ? p->c[(first + i) * p->c_stride + j] : 0.0f;
      }
    }
    if (p->b_is_padded) {
      gemm_whole(&part, part.a, p->b, p->b_stride, c, kGemmCols, p->k, p->resume);
    } else {
      for (int64_t k = 0; k < p->k; k += kSlice) {
        const int64_t n_k = p->k - k < kSlice ? p->k - k : kSlice;
        for (int64_t i = 0; i < n_k; ++i) {
          for (int64_t j = 0; j < kGemmCols; ++j)
            b[i * kGemmCols + j] = j < p->n ? p->b[(k + i) * p->b_stride + j] : 0.0f;
        }
        gemm_whole(&part, part.a + k * p->a_k, b, kGemmCols, c, kGemmCols, n_k, p->resume || k > 0);
      }
    }
    for (int64_t i = 0; i < part.m; ++i) {
      for (int64_t j = 0; j < p->n; ++j) p->c[(first + i) * p->c_stride + j] = c[i * kGemmCols + j];
    }
  }
}

void pack_columns(float* out, const float* b, int64_t stride, int64_t n_k, int64_t n) {
  int64_t k = 0;
  if (n == kGemmCols) {
    for (; k + kLanes <= n_k; k += kLanes) {
      for (int half = 0; half < 2; ++half)
        transpose_square(out + k * kGemmCols + half * kLanes, kGemmCols,
                         b + half * kLanes * stride + k, stride);
    }
  }
  for (; k < n_k; ++k) {
    for (int64_t j = 0; j < kGemmCols; ++j)
      out[k * kGemmCols + j] = j < n ? b[j * stride + k] : 0.0f;
  }
}

// Twelve chains: enough for two units of latency four or five. Each goes through an empty asm, or
// the compiler would see that they are equal and compute one.
template <int... i>
inline int64_t fma_chains(int64_t n, Indices<i...>) {
  F acc[sizeof...(i)];
  ((acc[i] = zero()), ...);
  const F one = set1(1.0f), x = set1(0.5f);
  const auto step = [&](F& sum) {
    __asm__ volatile("" : "+v"(sum));
    sum = fma(x, one, sum);
  };
  for (int64_t round = 0; round < n; ++round) (step(acc[i]), ...);
  const auto keep = [](F sum) { __asm__ volatile("" : : "v"(sum)); };
  (keep(acc[i]), ...);
  return n * (int64_t)sizeof...(i) * kLanes;
}

int64_t fma_rounds(int64_t n) { return fma_chains(n, MakeIndices<12>::type()); }

}  // namespace
}  // namespace jiang::kernels
