#include "agent/address_rule.h"

#include "base/json_value.h"

namespace jiang {

AddressRule::AddressRule(const Json& messages, bool has_untrusted_text)
    : has_untrusted_text_(has_untrusted_text) {
  if (!messages.is_array()) return;
  for (const Json& message : messages) {
    if (!message.is_object() || message.value("role", Json()) != "user") continue;
    const Json* content = find_member(message, "content");
    if (!content) continue;
    typed_ += content->is_string() ? content->get<std::string>() : to_string(*content);
    typed_ += '\n';
  }
}

bool AddressRule::may_open(std::string_view url) const {
  if (!has_untrusted_text_ || known_.contains(url)) return true;
  // A piece of what was typed carries nothing that the user did not write there.
  return !url.empty() && typed_.find(url) != std::string::npos;
}

void AddressRule::add_untrusted(const Json& part) {
  has_untrusted_text_ = true;
  const Json* items = find_member(part, "items");
  if (!items || !items->is_array()) return;
  for (const Json& item : *items) {
    const Json* url = find_member(item, "url");
    if (url && url->is_string()) known_.insert(url->get<std::string>());
  }
}

}  // namespace jiang
