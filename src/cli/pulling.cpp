#include "cli/pulling.h"

#include <cmath>
#include <cstdlib>

#include "base/http_client.h"
#include "base/offline.h"
#include "base/quantity.h"
#include "cli/interrupt.h"
#include "cli/messages.h"
#include "cli/model_flags.h"
#include "cli/output.h"
#include "hub/model_ref.h"

namespace jiang {
namespace {

// yes, y or just Enter.
bool ask_yes(const std::string& question) {
  note_part(question + " [Y/n] ");
  std::string answer;
  char c = 0;
  while (std::fread(&c, 1, 1, stdin) == 1 && c != '\n') answer += c;
  if (c != '\n') {
    note("");
    return false;
  }
  return answer.empty() || answer[0] == 'y' || answer[0] == 'Y' || answer == "\xe6\x98\xaf";
}

}  // namespace

void PullFlags::add_to(Options& options) {
  options.text(type, "--quant", "TYPE",
               "quantise to TYPE (default: the recommended 4 bits); none keeps the floats");
  options.flag(keep_originals, "--keep-originals", "keep what was fetched after quantising it");
  options.flag(even_if_too_large, "--even-if-too-large",
               "also a model that this machine's memory cannot hold");
  options.text(rate, "--limit-rate", "BYTES", "at most so many bytes a second: 500k, 2M");
  options.number(connections, "--connections", Range<int32_t>{1, 16},
                 "ranges of a file that are fetched at once");
  options.number(timeout, "--timeout", Range<float>{0.1f, 3600},
                 "seconds of silence after which a connection is given up (default 60)");
  options.number(retry_wait, "--retry-wait", Range<float>{0.001f, 60},
                 "seconds before the first new try, doubling (default 0.5)");
  options.number(threads, "-t,--threads", Range<int32_t>{1, 4096}, "threads to quantise with");
}

Result<uint64_t> parse_bytes(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  double scale = 1;
  std::string unit(end);
  if (unit == "k" || unit == "K") scale = 1e3;
  if (unit == "m" || unit == "M") scale = 1e6;
  if (unit == "g" || unit == "G") scale = 1e9;
  const bool has_unit = scale > 1 || unit.empty();
  if (end == text.c_str() || !has_unit || !std::isfinite(value) || value * scale < 1 ||
      value * scale > 1e15) {
    return fail(ErrorKind::invalid_argument, "'{}' is not a number of bytes such as 500k or 2M",
                text);
  }
  return static_cast<uint64_t>(value * scale);
}

Result<Manifest> pull_model(const std::string& name, const PullFlags& flags, PullView& view,
                            std::function<bool(const PullEvent&)> confirm) {
  PullOptions options;
  options.type = flags.type;
  options.keep_originals = flags.keep_originals;
  options.even_if_too_large = flags.even_if_too_large;
  options.threads = thread_count(flags.threads);
  options.download.connections = flags.connections;
  options.download.stall_seconds = static_cast<double>(flags.timeout);
  options.download.backoff_seconds = static_cast<double>(flags.retry_wait);
  if (flags.rate) {
    TRY(const uint64_t rate, parse_bytes(*flags.rate));
    options.download.limiter = std::make_shared<RateLimiter>(rate);
  }
  const InterruptScope scope;
  options.cancelled = [] { return interrupted(); };
  options.on_event = [&](const PullEvent& event) { view.show(event); };
  options.confirm = std::move(confirm);
  TRY(const auto client, HttpClient::create());
  TRY(HubSettings settings, hub_settings_from_environment());
  TRY(Catalogue catalogue, load_catalogue(jiang_home()));
  const Puller puller(*client, std::move(settings), Store(jiang_home()), std::move(catalogue));
  return puller.pull(name, options);
}

Result<std::string> find_or_pull(const std::string& reference, Assent assent, int32_t threads) {
  auto found = find_model(reference);
  if (found || found.error().kind != ErrorKind::not_found || !is_pullable(reference)) return found;
  if (is_offline()) return found;
  const bool has_prefix = reference.find("://") != std::string::npos ||
                          reference.rfind("ms:", 0) == 0 || reference.rfind("hf:", 0) == 0;
  const bool asks = assent == Assent::ask && !has_prefix;
  const bool can_ask = stdin_is_terminal() && stderr_is_terminal();
  if (asks && !can_ask) {
    return fail(ErrorKind::not_found, "{}, or give --yes to let this command do so",
                found.error().message);
  }
  PullFlags flags;
  flags.threads = threads;
  PullView view(PullView::Style::automatic);
  auto pulled = pull_model(reference, flags, view,
                           [&](const PullEvent&) { return !asks || ask_yes("fetch it now?"); });
  if (!pulled) return std::move(pulled).error();
  return find_model(pulled->name);
}

}  // namespace jiang
