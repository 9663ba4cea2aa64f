#include "server/storage_auth.h"

namespace jiang {
namespace {

Caller caller_of(const User& user) {
  Caller caller{
      .kind = Caller::Kind::user, .user_id = user.id, .name = user.name, .share = user.share};
  if (user.role == Role::owner) caller.kind = Caller::Kind::owner;
  if (user.role == Role::visitor) caller.kind = Caller::Kind::visitor;
  return caller;
}

}  // namespace

Result<std::optional<Caller>> StorageAuthenticator::of_key(std::string_view key) {
  TRY(const auto user, users_.user_of_key(key));
  return user ? std::optional<Caller>(caller_of(*user)) : std::nullopt;
}

Result<std::optional<Caller>> StorageAuthenticator::of_session(std::string_view session) {
  TRY(const auto user, users_.user_of_session(session));
  return user ? std::optional<Caller>(caller_of(*user)) : std::nullopt;
}

void StorageAuthenticator::keys_changed() {
  const auto keys = users_.has_keys();
  has_keys_.store(!keys || *keys);
}

}  // namespace jiang
