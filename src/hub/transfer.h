// Transfer: what all requests for one file have in common, whichever way its bytes come.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/http_client.h"
#include "hub/download.h"
#include "hub/part_file.h"
#include "hub/server_answer.h"

namespace jiang {

constexpr double kDownloadTick = 0.1;  // seconds between reports, and between looks at `cancelled`

double steady_seconds();

struct Transfer {
  HttpClient& client;
  const DownloadFile& file;
  const DownloadOptions& options;
  PartFile& part;
  std::string journal_path;
  std::optional<uint64_t> bytes = {};  // as listed, or as the server told
  Validator validator = {};
  uint64_t shown = 0;  // in the last report

  bool is_cancelled() const { return options.cancelled && options.cancelled(); }
  static Error cancelled_error();
  // A GET of the whole file, given up when the person or `stop` says so.
  HttpRequestOptions request(std::function<bool()> stop = {}) const;
  // Before trying again: longer each time in a row, with jitter, and at least as long as the server
  // asked. An error when it was cut short.
  Status pause(int attempt, double at_least, const std::function<bool()>& stop = {}) const;
  // By one thread at a time; what is shown as done never falls.
  void report(DownloadPhase phase, uint64_t done);
};

}  // namespace jiang
