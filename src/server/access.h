// Who asks, and what they may do: the callers of the route table's access column.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace jiang {

struct Caller {
  // keyless: a local program on a server that has no key yet. visitor: came by a share link.
  enum class Kind : uint8_t { nobody, keyless, visitor, user, owner };
  Kind kind = Kind::nobody;
  std::string user_id = {};
  std::string name = {};
  std::string share = {};   // a visitor's link
  bool by_session = false;  // a browser's cookie, not a key: Origin and content type count

  // Whom the fair queue counts; never a secret.
  std::string account(std::string_view address) const;
};

// What a route asks for. A row without an access is denied to all.
enum class Access : uint8_t {
  denied,
  owner,    // users and keys
  manage,   // models on disk, /metrics, /slots: the owner, or a local program while no key exists
  user,     // own conversations, agents, settings: not keyless, not visitors
  visitor,  // as user, and visitors of a share link
  model,    // runs models: users and keyless local programs
  open,     // health, the login and the page's files
};

bool may(const Caller& caller, Access access);
std::string_view name_of(Caller::Kind kind);

}  // namespace jiang
