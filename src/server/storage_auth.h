// The Authenticator over storage's users, keys and sessions.
#pragma once

#include <atomic>

#include "server/auth.h"
#include "storage/storage.h"

namespace jiang {

class StorageAuthenticator final : public Authenticator {
 public:
  // `storage` outlives this.
  explicit StorageAuthenticator(Storage& storage) : users_(storage.users()) { keys_changed(); }

  Result<std::optional<Caller>> of_key(std::string_view key) override;
  Result<std::optional<Caller>> of_session(std::string_view session) override;
  bool has_keys() override { return has_keys_.load(); }
  // To be called after a key was made or removed, before that is answered.
  void keys_changed();

 private:
  Users& users_;
  // What cannot be read is taken for "there are keys": closed rather than open.
  std::atomic<bool> has_keys_ = true;
};

}  // namespace jiang
