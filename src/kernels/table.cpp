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
extern const Table kAvx512;
extern const Table kAvx512Vnni;
extern const Table kAmx;
extern const RowTable kAvx2Rows;
extern const RowTable kAvx512Rows;
#endif

namespace {

// What each level adds, by Level.
#if defined(__x86_64__)
const Table* const kTables[kLevelCount] = {&kScalar, &kAvx2, &kAvx512, &kAvx512Vnni, &kAmx};
const RowTable* const kRowTables[kLevelCount] = {&kScalarRows, &kAvx2Rows, &kAvx512Rows, nullptr,
                                                 nullptr};
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

// The highest level whose instructions the CPU has and whose registers the system saves.
Level cpu_level() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return Level::scalar;
  const bool has_osxsave = c >> 27 & 1;
  const bool has_fma = c >> 12 & 1, has_avx = c >> 28 & 1, has_f16c = c >> 29 & 1;
  if (!has_osxsave || !has_avx || !has_fma || !has_f16c) return Level::scalar;
  unsigned xcr0 = 0, xcr0_high = 0;
  __asm__("xgetbv" : "=a"(xcr0), "=d"(xcr0_high) : "c"(0));
  if ((xcr0 & 0x6) != 0x6) return Level::scalar;  // xmm and ymm state
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return Level::scalar;
  if (!(b >> 5 & 1)) return Level::scalar;  // AVX2
  const bool has_avx512 =
      (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1);  // F DQ BW VL
  if (!has_avx512 || (xcr0 & 0xe6) != 0xe6) return Level::avx2;          // opmask and zmm state
  if (!(c >> 11 & 1)) return Level::avx512;
  const bool has_amx =
      (d >> 24 & 1) && (d >> 25 & 1) && (xcr0 >> 17 & 3) == 3;  // TILE, INT8; state
  return has_amx && may_use_tiles() ? Level::amx : Level::avx512_vnni;
#else
  return Level::scalar;
#endif
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
  Level best = Level::scalar;
  Level chosen = Level::scalar;
  char error[160] = "";

  Choice() {
    best = cpu_level();
    Table table = kScalar;
    RowTable rows = kScalarRows;
    for (int i = 0; i < kLevelCount; ++i) {
      if (i <= static_cast<int>(best)) {
        if (kTables[i]) overlay(table, *kTables[i]);
        if (kRowTables[i]) overlay(rows, *kRowTables[i]);
      }
      tables[i] = table;
      row_tables[i] = rows;
    }
    chosen = best;
    const char* wanted = getenv("JIANG_ISA");
    if (wanted && *wanted) lower_to(wanted);
  }

  void lower_to(const char* wanted) {
    Level level = Level::scalar;
    if (strcmp(wanted, "avx2") == 0) {
      level = Level::avx2;
    } else if (strcmp(wanted, "avx512") == 0) {
      level = best >= Level::avx512_vnni ? Level::avx512_vnni : Level::avx512;
    } else if (strcmp(wanted, "amx") == 0) {
      level = Level::amx;
    } else if (strcmp(wanted, "scalar") != 0) {
      snprintf(error, sizeof error,
               "JIANG_ISA=%.40s: no such level; it is scalar, avx2, avx512 or amx", wanted);
      return;
    }
    if (level > best) {
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
  static const char* const names[kLevelCount] = {"scalar", "avx2", "avx512", "avx512", "amx"};
  return names[static_cast<int>(level)];
}

const Table* table_of(Level level) {
  return level <= choice().best ? &choice().tables[static_cast<int>(level)] : nullptr;
}

const RowTable* row_table_of(Level level) {
  return level <= choice().best ? &choice().row_tables[static_cast<int>(level)] : nullptr;
}

}  // namespace jiang::kernels
