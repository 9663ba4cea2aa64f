// RemoteSource: models that run elsewhere, "NAME/MODEL", from the [remote.NAME] tables of
// config.toml:
//
//   [remote.zhipu]
//   provider = "zhipu"           # default: NAME; whose protocol is spoken
//   models = ["glm-4.5-flash"]   # those that are offered
//   url = "https://..."          # default: the provider's
//   key_env = "MY_KEY"           # default: the provider's variable; key_file = "..." reads a file
//   context = 131072             # tokens, when known
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json_value.h"
#include "base/result.h"
#include "chat/remote_backend.h"
#include "runtime/model_manager.h"

namespace jiang {

class RemoteSource final : public BackendSource {
 public:
  // `remote`: the table of tables; null: none. Errors name the table and the key. A key that is not
  // there is told when a model is asked for, so that the others work.
  static Result<std::unique_ptr<RemoteSource>> create(const Json& remote);

  std::vector<std::string> names() const override;
  bool knows(const std::string& name) const override;
  std::string provider(const std::string& name) const override;
  Result<std::unique_ptr<ChatBackend>> open(const std::string& name) override;

 private:
  struct Offer {
    std::string name;  // "NAME/MODEL"
    std::string key_file;
    std::string key_variable;
    bool wants_key = true;
    RemoteOptions options;
  };
  const Offer* find(const std::string& name) const;

  std::vector<Offer> offers_;
};

// From HOME/config.toml.
Result<std::unique_ptr<RemoteSource>> read_remote_source(const std::string& home);

}  // namespace jiang
