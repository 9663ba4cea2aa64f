#include "base/offline.h"

#include <cstdlib>

namespace jiang {

bool is_offline() {
  const char* value = std::getenv("JIANG_OFFLINE");
  if (!value) return false;
  const std::string_view text(value);
  return !text.empty() && text != "0" && text != "false" && text != "off" && text != "no";
}

Status check_online(std::string_view what) {
  if (!is_offline()) return ok();
  return fail(ErrorKind::unsupported,
              "{} needs the network, which JIANG_OFFLINE forbids; unset it to go on", what);
}

}  // namespace jiang
