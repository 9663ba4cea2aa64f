// The kernels of level avx_vnni, on every CPU with AVX2: where AVX-VNNI is missing, the one
// instruction that it adds is emulated by a signal handler, and all else of the object code runs as
// it is.
#if defined(__x86_64__)
#include <cpuid.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernels/matmul_cases.h"
#include "kernels/table.h"

namespace jiang::kernels {

extern const Table kAvxVnni;

namespace {

// While it lives, `vpdpbusd ymm, ymm, ymm` in its VEX form works on every CPU with AVX. Any other
// instruction that the CPU does not know ends the program, as without it. One at a time.
class VpdpbusdEmulation {
 public:
  VpdpbusdEmulation() {
    unsigned size = 0, c = 0, d = 0;
    __cpuid_count(0xd, 2, size, high_halves_at, c, d);
    n_emulated = 0;
    struct sigaction action = {};
    action.sa_sigaction = on_unknown_instruction;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, &before_);
  }
  ~VpdpbusdEmulation() { sigaction(SIGILL, &before_, nullptr); }
  VpdpbusdEmulation(const VpdpbusdEmulation&) = delete;
  VpdpbusdEmulation& operator=(const VpdpbusdEmulation&) = delete;

  static int64_t emulated() { return n_emulated; }

 private:
  // Register numbers of `vpdpbusd activations, codes, sums` (in AT&T's order).
  struct Operands {
    int sums, codes, activations;
  };

  // VEX.256.66.0F38.W0 50 /r with a register as its last operand: 5 bytes.
  static constexpr int kInstructionBytes = 5;
  static std::optional<Operands> decode(const uint8_t* at) {
    if (at[0] != 0xc4 || (at[1] & 0x1f) != 0x02 || (at[2] & 0x87) != 0x05 || at[3] != 0x50 ||
        at[4] < 0xc0) {
      return std::nullopt;
    }
    return Operands{.sums = (at[4] >> 3 & 7) | (~at[1] >> 4 & 8),     // R, inverted
                    .codes = ~at[2] >> 3 & 15,                        // vvvv, inverted
                    .activations = (at[4] & 7) | (~at[1] >> 2 & 8)};  // B, inverted
  }

  // The saved registers of a signal frame, in the standard form of XSAVE (Intel's manual, volume 1,
  // 13.4; the kernel's struct _fpx_sw_bytes says what it holds). nullptr: no AVX registers.
  static uint8_t* saved_registers(ucontext_t* context) {
    constexpr int kMagicAt = 464, kFeaturesAt = 472;
    auto* area = reinterpret_cast<uint8_t*>(context->uc_mcontext.fpregs);
    uint32_t magic = 0;
    uint64_t features = 0;
    if (!area) return nullptr;
    std::memcpy(&magic, area + kMagicAt, sizeof magic);
    std::memcpy(&features, area + kFeaturesAt, sizeof features);
    if (magic != FP_XSTATE_MAGIC1 || (features & kSse) == 0 || (features & kAvx) == 0)
      return nullptr;
    // Parts whose bit is not set are zeros, whatever the memory holds.
    uint64_t present = 0;
    std::memcpy(&present, area + kPresentAt, sizeof present);
    if ((present & kSse) == 0) std::memset(area + kLowHalvesAt, 0, 16 * 16);
    if ((present & kAvx) == 0) std::memset(area + high_halves_at, 0, 16 * 16);
    present |= kSse | kAvx;
    std::memcpy(area + kPresentAt, &present, sizeof present);
    return area;
  }

  // sums[lane] += sum over j < 4 of codes[lane][j] * activations[lane][j], in four lanes.
  static void add_products(uint8_t* sums, const uint8_t* codes, const uint8_t* activations) {
    for (int lane = 0; lane < 16; lane += 4) {
      uint32_t sum = 0;  // wraps around
      std::memcpy(&sum, sums + lane, sizeof sum);
      for (int i = lane; i < lane + 4; ++i)
        sum += static_cast<uint32_t>(codes[i] * static_cast<int8_t>(activations[i]));
      std::memcpy(sums + lane, &sum, sizeof sum);
    }
  }

  static void on_unknown_instruction(int, siginfo_t*, void* frame) {
    auto* context = static_cast<ucontext_t*>(frame);
    greg_t& next = context->uc_mcontext.gregs[REG_RIP];
    const auto instruction = [&] { return decode(reinterpret_cast<const uint8_t*>(next)); };
    std::optional<Operands> operands = instruction();
    uint8_t* area = saved_registers(context);
    if (!operands || !area) {
      signal(SIGILL, SIG_DFL);  // it is met again on return
      return;
    }
    // Those that follow at once do not need a signal of their own.
    for (; operands; operands = instruction()) {
      for (const unsigned halves_at : {kLowHalvesAt, high_halves_at}) {
        uint8_t* halves = area + halves_at;
        add_products(halves + 16 * operands->sums, halves + 16 * operands->codes,
                     halves + 16 * operands->activations);
      }
      next += kInstructionBytes;
      n_emulated = n_emulated + 1;
    }
  }

  static constexpr unsigned kLowHalvesAt = 160, kPresentAt = 512;
  static constexpr uint64_t kSse = 2, kAvx = 4;
  static inline unsigned high_halves_at = 0;
  static inline volatile int64_t n_emulated = 0;
  struct sigaction before_ = {};
};

TEST(VpdpbusdEmulationDeathTest, AnyOtherUnknownInstructionEndsTheProgram) {
  EXPECT_EXIT(
      {
        VpdpbusdEmulation emulation;
        __asm__ volatile("ud2");
      },
      testing::KilledBySignal(SIGILL), "");
}

class AvxVnni : public testing::Test {
 protected:
  void SetUp() override {
    if (!table_of(Level::avx2)) GTEST_SKIP() << "this CPU has no avx2";
    if (!table_of(Level::avx_vnni)) emulation_.emplace();
  }
  void TearDown() override {
    if (emulation_) {
      EXPECT_GT(VpdpbusdEmulation::emulated(), 0);
    }
  }

 private:
  std::optional<VpdpbusdEmulation> emulation_;
};

class AvxVnniMatmul : public AvxVnni, public testing::WithParamInterface<int> {
 protected:
  Packed kind() const { return static_cast<Packed>(GetParam()); }
  // The whole of k by the scalar kernel, slices of it by this level's.
  void compare(int64_t rows, int64_t cols, int n_tokens, int64_t slice, ScaleKind scale_kind) {
    const AlignedBytes panels = random_panels(kind(), (rows + 15) / 16, cols, scale_kind, random_);
    const AlignedBytes x = random_activations(kind(), n_tokens, cols, random_);
    const auto run = [&](const Table& table, int64_t k) {
      return run_matmul(table.matmul[GetParam()], kind(), panels, x, rows, cols, n_tokens, k);
    };
    expect_same(run(*table_of(Level::scalar), cols), run(kAvxVnni, slice),
                std::to_string(rows) + "x" + std::to_string(cols) + ", " +
                    std::to_string(n_tokens) + " tokens");
  }

 private:
  std::mt19937 random_{12};
};

TEST_P(AvxVnniMatmul, GivesTheScalarBitsForEveryTailOfRowsAndTokens) {
  constexpr int64_t kBlocks[] = {1, 2, 3, 8, 9};
  for (int i = 0; i < 18; ++i) {
    const int64_t cols = cols_of(kind(), kBlocks[i % 5]);
    compare(1 + i, cols, 1 + i * 5 % kTileTokens, cols,
            i % 3 ? ScaleKind::ordinary : ScaleKind::extreme);
  }
  compare(71, cols_of(kind(), 2), 7, cols_of(kind(), 2), ScaleKind::ordinary);
}

TEST_P(AvxVnniMatmul, GoesOnFromTheSumsOfTheSliceBefore) {
  for (const int n_tokens : {1, 2, 3, 4}) compare(21, 512, n_tokens, 256, ScaleKind::ordinary);
  compare(16, 768, 7, 256, ScaleKind::extreme);
}

INSTANTIATE_TEST_SUITE_P(EveryIntegerLayout, AvxVnniMatmul,
                         testing::Range(static_cast<int>(Packed::q4_0), kPackedCount),
                         [](const auto& kind) { return std::string(kPackedNames[kind.param]); });

TEST_F(AvxVnni, ProbeCountsItsMultiplications) {
  EXPECT_EQ(kAvxVnni.dot_rounds(3), 3 * 12 * 32);
  if (!table_of(Level::avx_vnni)) {
    EXPECT_EQ(VpdpbusdEmulation::emulated(), 3 * 12);
  }
}

}  // namespace
}  // namespace jiang::kernels
#endif
