// Which addresses of a network an agent may reach: public ones, and no form of any other.
#pragma once

#include <string_view>

#include "base/http_client.h"
#include "base/result.h"

namespace jiang {

// `address` as inet_ntop writes it. Refuses loopback, private, link-local (cloud metadata),
// carrier, benchmark, documentation and multicast addresses, and IPv6 forms that carry an IPv4 one
// (mapped, compatible, 6to4, NAT64, Teredo): IANA's special-purpose registries, RFC 6890.
Status check_public_address(std::string_view address);

// http on port 80 or https on 443, no user:password@.
Status check_public_url(const UrlParts& url);

}  // namespace jiang
