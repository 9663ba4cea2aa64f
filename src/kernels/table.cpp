#include "kernels/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace jiang::kernels {

extern const Table kScalar;
#if defined(__x86_64__)
extern const Table kAvx2;
extern const Table kAvxVnni;
extern const Table kAvx512;
extern const Table kAvx512Vnni;
extern const Table kAmx;
extern const RowTable kAvx2Rows;
extern const RowTable kAvx512Rows;
#endif

namespace {

// What each level adds, by Level.
#if defined(__x86_64__)
const Table* const kTables[kLevelCount] = {&kScalar, &kAvx2,       &kAvxVnni,
                                           &kAvx512, &kAvx512Vnni, &kAmx};
const RowTable* const kRowTables[kLevelCount] = {&kScalarRows, &kAvx2Rows, nullptr,
                                                 &kAvx512Rows, nullptr,    nullptr};
#else
const Table* const kTables[kLevelCount] = {&kScalar};
const RowTable* const kRowTables[kLevelCount] = {&kScalarRows};
#endif

#if defined(__x86_64__)
// The 8 KiB of tile registers of each thread are saved only for processes that have asked
// (Documentation/arch/x86/xstate.rst): for all threads, from here on.
bool may_use_tiles() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

// The levels whose instructions the CPU has and whose registers the system saves, as bits by Level.
unsigned cpu_levels() {
  const auto bit = [](Level level) { return 1u << static_cast<int>(level); };
  unsigned found = bit(Level::scalar);
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return found;
  const bool has_osxsave = c >> 27 & 1;
  const bool has_fma = c >> 12 & 1, has_avx = c >> 28 & 1, has_f16c = c >> 29 & 1;
  if (!has_osxsave || !has_avx || !has_fma || !has_f16c) return found;
  unsigned xcr0 = 0, xcr0_high = 0;
  __asm__("xgetbv" : "=a"(xcr0), "=d"(xcr0_high) : "c"(0));
  if ((xcr0 & 0x6) != 0x6) return found;  // xmm and ymm state
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  if (!(b >> 5 & 1)) return found;  // AVX2
  found |= bit(Level::avx2);
  unsigned a1 = 0, b1 = 0, c1 = 0, d1 = 0;  // subleaf 1, if there is one
  if (a >= 1 && __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) && (a1 >> 4 & 1))
    found |= bit(Level::avx_vnni);
  const bool has_avx512 =
      (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1);  // F DQ BW VL
  if (!has_avx512 || (xcr0 & 0xe6) != 0xe6) return found;                // opmask and zmm state
  found |= bit(Level::avx512);
  if (!(c >> 11 & 1)) return found;
  found |= bit(Level::avx512_vnni);
  const bool has_amx =
      (d >> 24 & 1) && (d >> 25 & 1) && (xcr0 >> 17 & 3) == 3;  // TILE, INT8; state
  if (has_amx && may_use_tiles()) found |= bit(Level::amx);
#endif
  return found;
}

void overlay(Table& table, const Table& level) {
  for (int i = 0; i < kPackedCount; ++i) {
    if (level.matmul[i]) table.matmul[i] = level.matmul[i];
    if (level.matmul_tiles[i]) table.matmul_tiles[i] = level.matmul_tiles[i];
  }
  if (level.quantize) table.quantize = level.quantize;
  if (level.read_bytes) table.read_bytes = level.read_bytes;
  if (level.dot_rounds) table.dot_rounds = level.dot_rounds;
}

void overlay(RowTable& rows, const RowTable& level) {
  const auto take = [](auto& entry, auto candidate) {
    if (candidate) entry = candidate;
  };
  take(rows.rms_norm, level.rms_norm);
  take(rows.layer_norm, level.layer_norm);
  take(rows.rope_halves, level.rope_halves);
  take(rows.rope_pairs, level.rope_pairs);
  take(rows.silu, level.silu);
  take(rows.gelu_tanh, level.gelu_tanh);
  take(rows.gelu_erf, level.gelu_erf);
  take(rows.silu_mul, level.silu_mul);
  take(rows.gelu_tanh_mul, level.gelu_tanh_mul);
  take(rows.softcap, level.softcap);
  take(rows.attend_f32, level.attend_f32);
  take(rows.attend_f16, level.attend_f16);
  take(rows.attend_int8, level.attend_int8);
  take(rows.f32_to_f16, level.f32_to_f16);
}

struct Choice {
  Table tables[kLevelCount];
  RowTable row_tables[kLevelCount];
  unsigned found = 0;  // cpu_levels()
  Level best = Level::scalar;
  Level chosen = Level::scalar;
  char error[160] = "";

  Choice() {
    found = cpu_levels();
    Table table = kScalar;
    RowTable rows = kScalarRows;
    for (int i = 0; i < kLevelCount; ++i) {
      const auto level = static_cast<Level>(i);
      tables[i] = table;
      row_tables[i] = rows;
      if (!has(level)) continue;
      best = level;
      if (kTables[i]) overlay(tables[i], *kTables[i]);
      if (kRowTables[i]) overlay(row_tables[i], *kRowTables[i]);
      if (level == Level::avx_vnni) continue;  // what AVX-512 has is not built on it
      table = tables[i];
      rows = row_tables[i];
    }
    chosen = best;
    const char* wanted = getenv("JIANG_ISA");
    if (wanted && *wanted) lower_to(wanted);
  }

  bool has(Level level) const { return found >> static_cast<int>(level) & 1; }

  void lower_to(const char* wanted) {
    Level level = Level::scalar;
    if (strcmp(wanted, "avx2") == 0) {
      level = Level::avx2;
    } else if (strcmp(wanted, "avxvnni") == 0) {
      level = Level::avx_vnni;
    } else if (strcmp(wanted, "avx512") == 0) {
      level = best >= Level::avx512_vnni ? Level::avx512_vnni : Level::avx512;
    } else if (strcmp(wanted, "amx") == 0) {
      level = Level::amx;
    } else if (strcmp(wanted, "scalar") != 0) {
      snprintf(error, sizeof error,
               "JIANG_ISA=%.40s: no such level; it is scalar, avx2, avxvnni, avx512 or amx",
               wanted);
      return;
    }
    if (!has(level)) {
      snprintf(error, sizeof error,
               "JIANG_ISA=%s: this CPU has no such instructions; its best level is %s", wanted,
               level_name(best));
      return;
    }
    chosen = level;
  }
};

const Choice& choice() {
  static const Choice once;
  return once;
}

}  // namespace

const Table& table() { return choice().tables[static_cast<int>(choice().chosen)]; }
const RowTable& row_table() { return choice().row_tables[static_cast<int>(choice().chosen)]; }
Level level() { return choice().chosen; }
const char* isa_error() { return choice().error[0] ? choice().error : nullptr; }

const char* level_name(Level level) {
  static const char* const names[kLevelCount] = {"scalar", "avx2",   "avxvnni",
                                                 "avx512", "avx512", "amx"};
  return names[static_cast<int>(level)];
}

const Table* table_of(Level level) {
  return choice().has(level) ? &choice().tables[static_cast<int>(level)] : nullptr;
}

const RowTable* row_table_of(Level level) {
  return choice().has(level) ? &choice().row_tables[static_cast<int>(level)] : nullptr;
}

}  // namespace jiang::kernels
