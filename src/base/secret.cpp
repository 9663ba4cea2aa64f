#include "base/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <vector>

#include "base/check.h"

namespace jiang {

std::string random_token(size_t bytes) {
  std::vector<unsigned char> random(bytes);
  JIANG_CHECK(RAND_bytes(random.data(), static_cast<int>(bytes)) == 1, "no random numbers");
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  unsigned bits = 0;
  int have = 0;
  for (const unsigned char byte : random) {
    bits = bits << 8 | byte;
    for (have += 8; have >= 6; have -= 6) out += kDigits[bits >> (have - 6) & 63];
  }
  if (have > 0) out += kDigits[bits << (6 - have) & 63];
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace jiang
