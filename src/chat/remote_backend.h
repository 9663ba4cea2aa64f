// A remote LLM API as a ChatBackend: the same apps and agents on a model that runs elsewhere.
//
// Speaks OpenAI's and Anthropic's protocols. Streamed through and cancelled through; the key is
// sent to the provider alone and is in no message of ours. What a request asks and the protocol
// cannot say (raw prompts, logit_bias by token ids, counting tokens, min_p, a seed for Anthropic
// ...) is refused by name. Sampling that has jiang's usual value is left to the provider, but for
// temperature and top_p.
//
// Each stream has a thread while its answer comes.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/http_client.h"
#include "chat/backend.h"

namespace jiang {

enum class RemoteProtocol : uint8_t { openai, anthropic };

struct RemoteProvider {
  std::string_view name;  // "openai"
  RemoteProtocol protocol;
  std::string_view base_url;      // what the protocol's paths are appended to
  std::string_view key_variable;  // of the environment
};
// openai, anthropic, zhipu, dashscope.
std::span<const RemoteProvider> remote_providers();

struct RemoteOptions {
  std::string provider = "openai";  // one of remote_providers()
  std::string model = {};           // as the provider calls it
  std::string base_url = {};        // "": the provider's
  std::string key = {};             // "": none is sent
  int32_t context = 0;              // tokens, when known
};

// From a file that only its owner can read (mode 0600), or from the environment variable; `file`
// and `variable` may be "" (then the provider's variable). Not found: an error that says where it
// was looked for.
Result<std::string> read_remote_key(const RemoteProvider& provider, const std::string& file,
                                    const std::string& variable);
Result<const RemoteProvider*> find_remote_provider(std::string_view name);

Result<std::unique_ptr<ChatBackend>> make_remote_backend(RemoteOptions options,
                                                         std::shared_ptr<HttpClient> client);

}  // namespace jiang
