#include "base/fast_hash.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace jiang {
namespace {

TEST(FastHash, EveryBitAndEveryLengthCounts) {
  std::set<uint64_t> seen;
  size_t n = 0;
  for (const size_t size : {0, 1, 7, 8, 63, 64, 65, 200}) {
    std::vector<std::byte> bytes(size);
    seen.insert(fast_hash(bytes));
    ++n;
    for (size_t bit = 0; bit < size * 8; ++bit, ++n) {
      bytes[bit / 8] ^= std::byte{1} << bit % 8;
      seen.insert(fast_hash(bytes));
      bytes[bit / 8] ^= std::byte{1} << bit % 8;
    }
  }
  EXPECT_EQ(seen.size(), n);
}

TEST(FastHash, OrderAndSeedCount) {
  std::vector<std::byte> bytes(128);
  bytes[0] = std::byte{1};
  const uint64_t first = fast_hash(bytes);
  std::swap(bytes[0], bytes[64]);
  EXPECT_NE(fast_hash(bytes), first);
  EXPECT_NE(fast_hash(bytes, 1), fast_hash(bytes, 2));
}

// Files on disk carry it: it must stay what it is.
TEST(FastHash, IsTheSameForEver) {
  std::vector<std::byte> bytes(100);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(fast_hash(bytes, 3), 0xf29f5ccfaaa1bc86u);
}

}  // namespace
}  // namespace jiang
