#include "server/access.h"

namespace jiang {

bool may(const Caller& caller, Access access) {
  using Kind = Caller::Kind;
  const Kind kind = caller.kind;
  switch (access) {
    case Access::denied:
      return false;
    case Access::owner:
      return kind == Kind::owner;
    case Access::manage:
      return kind == Kind::owner || kind == Kind::keyless;
    case Access::user:
      return kind == Kind::owner || kind == Kind::user;
    case Access::visitor:
      return kind == Kind::owner || kind == Kind::user || kind == Kind::visitor;
    case Access::model:
      return kind == Kind::owner || kind == Kind::user || kind == Kind::keyless;
    case Access::open:
      return true;
  }
  return false;
}

std::string_view name_of(Caller::Kind kind) {
  switch (kind) {
    case Caller::Kind::nobody:
      return "nobody";
    case Caller::Kind::keyless:
      return "keyless";
    case Caller::Kind::visitor:
      return "visitor";
    case Caller::Kind::user:
      return "user";
    case Caller::Kind::owner:
      return "owner";
  }
  return "nobody";
}

std::string Caller::account(std::string_view address) const {
  if (!user_id.empty()) return user_id;
  return std::string(name_of(kind)) + "@" + std::string(address);
}

}  // namespace jiang
