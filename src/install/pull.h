// Pull: from a model's name to a model that runs. Lists the repository, checks disk and memory,
// fetches what is missing, quantises while later parts still come, tries the result, and only then
// gives it its name in the store.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "hub/catalogue.h"
#include "hub/download.h"
#include "hub/hub_settings.h"
#include "hub/manifest.h"
#include "hub/model_name.h"
#include "hub/repository.h"
#include "hub/select_files.h"
#include "hub/store.h"

namespace jiang {

class HttpClient;  // base/http_client.h

struct PullEvent {
  enum class Phase { listing, planned, waiting, fetching, verifying, quantising, trying, done };
  Phase phase = Phase::listing;
  std::string file = {};                 // of fetching and verifying
  std::string sha256 = {};               // of that file, when known
  uint64_t done = 0, total = 0;          // of the file, or of quantising
  uint64_t all_done = 0, all_total = 0;  // of everything to fetch
  std::string note = {};                 // planned: what will be done, in a sentence
};
std::string_view phase_name(PullEvent::Phase phase);
Json event_json(const PullEvent& event);

struct PullOptions {
  // A type, "none" (keep the folder as it is), or "": the name's choice, then the catalogue's or
  // kDefaultQuantizeType. A GGUF is never quantised anew.
  std::string type = {};
  bool keep_originals = false;
  bool even_if_too_large = false;  // for this machine's memory
  int threads = 1;
  DownloadOptions download = {};
  std::function<bool()> cancelled = {};
  std::function<void(const PullEvent&)> on_event = {};  // from one thread at a time
  // Asked once with the sizes before the first byte; false ends it with `cancelled`.
  std::function<bool(const PullEvent&)> confirm = {};
};

// Thread-safe: several may run at once, also of the same model.
class Puller {
 public:
  Puller(HttpClient& client, HubSettings settings, Store store, Catalogue catalogue)
      : client_(client),
        settings_(std::move(settings)),
        store_(std::move(store)),
        catalogue_(std::move(catalogue)) {}

  // The manifest as it is in the store afterwards.
  Result<Manifest> pull(const std::string& wanted, const PullOptions& options) const;

  const Catalogue& catalogue() const { return catalogue_; }
  const Store& store() const { return store_; }

 private:
  HttpClient& client_;
  HubSettings settings_;
  Store store_;
  Catalogue catalogue_;
};

}  // namespace jiang
