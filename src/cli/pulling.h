// `jiang pull` and `jiang run NAME` of a model that is not here yet: the same puller, questions and
// progress.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/options.h"
#include "cli/pull_view.h"
#include "install/pull.h"

namespace jiang {

struct PullFlags {
  std::string type;  // --quant
  bool keep_originals = false;
  bool even_if_too_large = false;
  std::optional<std::string> rate;  // "5M"
  int32_t connections = 4;
  int32_t threads = 0;
  float timeout = 60, retry_wait = 0.5f;

  void add_to(Options& options);
};

// "500k", "2M", "1.5G": bytes, powers of 1000.
Result<uint64_t> parse_bytes(const std::string& text);

// Ctrl-C keeps what was fetched. `confirm` is Puller's.
Result<Manifest> pull_model(const std::string& name, const PullFlags& flags, PullView& view,
                            std::function<bool(const PullEvent&)> confirm = {});

enum class Assent { ask, given };
// The path of an installed model; or fetches it first. A hub's prefix or a URL is a request by
// itself; other names are asked about on a terminal, and need --yes without one.
Result<std::string> find_or_pull(const std::string& reference, Assent assent, int32_t threads);

}  // namespace jiang
