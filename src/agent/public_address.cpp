#include "agent/public_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace jiang {
namespace {

struct Block4 {
  uint32_t address;
  int bits;
  const char* what;
};

constexpr uint32_t v4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

constexpr Block4 kRefused4[] = {
    {v4(0, 0, 0, 0), 8, "this network"},       {v4(10, 0, 0, 0), 8, "private"},
    {v4(100, 64, 0, 0), 10, "carrier"},        {v4(127, 0, 0, 0), 8, "loopback"},
    {v4(169, 254, 0, 0), 16, "link-local"},    {v4(172, 16, 0, 0), 12, "private"},
    {v4(192, 0, 0, 0), 24, "protocol"},        {v4(192, 0, 2, 0), 24, "documentation"},
    {v4(192, 88, 99, 0), 24, "relay"},         {v4(192, 168, 0, 0), 16, "private"},
    {v4(198, 18, 0, 0), 15, "benchmark"},      {v4(198, 51, 100, 0), 24, "documentation"},
    {v4(203, 0, 113, 0), 24, "documentation"}, {v4(224, 0, 0, 0), 4, "multicast"},
    {v4(240, 0, 0, 0), 4, "reserved"},
};

struct Block6 {
  std::array<uint8_t, 8> prefix;
  int bits;
  const char* what;
};

// Within 2000::/3, which is all that is public.
constexpr Block6 kRefused6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23, "protocol"},  // Teredo, ORCHID, benchmarks ...
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x20, 0x02}, 16, "6to4"},
    {{0x3f, 0xff}, 20, "documentation"},
};

bool begins_with(const uint8_t* address, const uint8_t* prefix, int bits) {
  for (int i = 0; i < bits; ++i) {
    const int shift = 7 - i % 8;
    if ((address[i / 8] >> shift & 1) != (prefix[i / 8] >> shift & 1)) return false;
  }
  return true;
}

Error refusal(std::string_view address, const char* what) {
  return fail(ErrorKind::invalid_argument, "the address {} is not public ({}): it is not fetched",
              address, what);
}

}  // namespace

Status check_public_address(std::string_view address) {
  const std::string text(address);
  in_addr four = {};
  if (inet_pton(AF_INET, text.c_str(), &four) == 1) {
    const uint32_t value = ntohl(four.s_addr);
    for (const Block4& block : kRefused4) {
      if ((value ^ block.address) >> (32 - block.bits) == 0) return refusal(address, block.what);
    }
    return ok();
  }
  in6_addr six = {};
  if (inet_pton(AF_INET6, text.c_str(), &six) != 1) return refusal(address, "no address");
  // Global unicast is 2000::/3; mapped, compatible, NAT64, private and local ones lie outside.
  if ((six.s6_addr[0] & 0xE0) != 0x20) return refusal(address, "not global");
  for (const Block6& block : kRefused6) {
    if (begins_with(six.s6_addr, block.prefix.data(), block.bits)) {
      return refusal(address, block.what);
    }
  }
  return ok();
}

Status check_public_url(const UrlParts& url) {
  if (url.has_user) {
    return fail(ErrorKind::invalid_argument, "a URL with a user name or password is not fetched");
  }
  const int32_t wanted = url.scheme == "https" ? 443 : 80;
  if (url.port != wanted) {
    return fail(ErrorKind::invalid_argument, "port {} is not fetched from, only {} for {}",
                url.port, wanted, url.scheme);
  }
  return ok();
}

}  // namespace jiang
