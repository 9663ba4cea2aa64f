#include "kernels/bf16.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace jiang::kernels {

extern const Bf16Table kScalarBf16;
#if defined(__x86_64__)
extern const Bf16Table kAvx2Bf16;
extern const Bf16Table kAvx512Bf16;
extern const Bf16Table kAmxBf16;

namespace {

bool has_avx512_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1);
}

bool has_amx_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1);
}

// AMD's CPUs multiply twice as fast with VDPBF16PS as with f32 multiply-adds, Intel's half as fast:
// `gemm_bench` prints both. The name decides and not a measurement, so that a run that goes on
// goes on with the same products.
bool is_amd() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && d == signature_AMD_edx &&
         c == signature_AMD_ecx;
}

Bf16Table with_dot_products() {
  Bf16Table table = kAvx512Bf16;
  table.is_faster = is_amd();
  return table;
}

// Its packing is the level below's.
Bf16Table with_tiles() {
  Bf16Table table = kAvx512Bf16;
  table.name = kAmxBf16.name;
  table.is_faster = kAmxBf16.is_faster;
  table.multiply = kAmxBf16.multiply;
  table.rounds = kAmxBf16.rounds;
  return table;
}

}  // namespace
#endif

const Bf16Table* bf16_table_of(Level level) {
  if (!table_of(level)) return nullptr;
#if defined(__x86_64__)
  static const bool has_dot = has_avx512_bf16(), has_tiles = has_dot && has_amx_bf16();
  static const Bf16Table dot = with_dot_products(), tiles = with_tiles();
  if (level >= Level::amx && has_tiles) return &tiles;
  if (level >= Level::avx512_vnni && has_dot) return &dot;
  if (level >= Level::avx2) return &kAvx2Bf16;
#endif
  return &kScalarBf16;
}

const Bf16Table& bf16_table() { return *bf16_table_of(level()); }

}  // namespace jiang::kernels
