// AddressRule: which web addresses an agent may open unasked.
//
// A page can tell the model to open an address that carries the conversation away. So, once text
// from the web is in the context, only what the user typed or a search found is opened; the rest is
// asked about.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "base/json_value.h"

namespace jiang {

class AddressRule {
 public:
  // `messages` in OpenAI's form: what their users wrote is what the user typed.
  AddressRule(const Json& messages, bool has_untrusted_text);

  bool may_open(std::string_view url) const;
  // A tool has brought text from the web; `part` names what it found, or is null.
  void add_untrusted(const Json& part);
  // The person said yes to this one.
  void add_allowed(std::string_view url) { known_.emplace(url); }

 private:
  std::string typed_;
  std::set<std::string, std::less<>> known_;
  bool has_untrusted_text_;
};

}  // namespace jiang
