#include <algorithm>

#include "base/machine.h"
#include "sandbox/boxes.h"
#include "sandbox/proof.h"
#include "sandbox/sandbox.h"

namespace jiang {
namespace {

Result<std::unique_ptr<Sandbox>> open_proven(Sandbox::Kind kind, int n_slots) {
  TRY(auto box, kind == Sandbox::Kind::bubblewrap ? open_bubblewrap_box(n_slots)
                                                  : open_landlock_box(n_slots));
  TRY_STATUS(prove(*box));
  return box;
}

}  // namespace

std::vector<std::string> box_environment(const SandboxRequest& request) {
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/work"};
  environment.insert(environment.end(), request.environment.begin(), request.environment.end());
  return environment;
}

Result<std::unique_ptr<Sandbox>> Sandbox::open(std::optional<Kind> forced) {
  // Half the cores: the model has the others.
  const int n_slots = std::max(1, default_thread_count(inspect_machine()) / 2);
  if (forced) return open_proven(*forced, n_slots);
  auto first = open_proven(Kind::bubblewrap, n_slots);
  if (first) return first;
  auto second = open_proven(Kind::landlock, n_slots);
  if (second) return second;
  return fail(ErrorKind::unsupported, "programs cannot be boxed here, so none is run: {}; and {}",
              first.error().message, second.error().message);
}

}  // namespace jiang
