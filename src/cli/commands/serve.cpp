// jiang serve: the APIs that people's tools speak, over models loaded on demand.
#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <ctime>

#include "base/http_client.h"
#include "base/utc_text.h"
#include "cli/commands/table.h"
#include "cli/model_flags.h"
#include "cli/output.h"
#include "cli/serve_settings.h"
#include "hub/model_ref.h"
#include "runtime/remote_source.h"
#include "server/http_text.h"
#include "server/login.h"
#include "server/page_server.h"
#include "server/server.h"
#include "server/storage_auth.h"
#include "server/store_routes.h"

namespace jiang {
namespace {

constexpr double kGoodbyeSeconds = 3;  // for the last event of answers that were told to end
constexpr std::chrono::seconds kLinkIsGood = std::chrono::minutes(30);

// Blocked in every thread that starts later, so that sigwait() alone sees them.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// Connections are descriptors: as many as the machine lets us.
void raise_descriptor_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool is_loopback_listener(const std::string& host) {
  const auto authority =
      parse_authority(host.find(':') == std::string::npos ? host : "[" + host + "]");
  return authority && is_loopback_host(*authority);
}

Status check_exposure(const ServeSettings& settings, StorageAuthenticator& authenticator) {
  if (is_loopback_listener(settings.host)) return ok();
  if (!settings.allow_remote) {
    return fail(ErrorKind::invalid_argument,
                "--host {} can be reached from other machines; add --allow-remote if it shall be",
                settings.host);
  }
  if (!authenticator.has_keys()) {
    return fail(
        ErrorKind::invalid_argument,
        "--host {} can be reached from other machines and there is no API key yet; make one "
        "with --new-key NAME",
        settings.host);
  }
  return ok();
}

ServerOptions server_options(const ServeSettings& settings) {
  ServerOptions options;
  options.http.host = settings.host;
  options.http.port = static_cast<uint16_t>(settings.port);
  options.http.io_threads = settings.io_threads;
  options.http.max_body_bytes = static_cast<size_t>(settings.max_body_mb) << 20;
  options.http.max_connections = settings.max_connections;
  options.http.max_connections_per_address = settings.max_connections_per_address;
  options.http.certificate = settings.certificate;
  options.http.private_key = settings.private_key;
  options.http.log = [quiet = settings.quiet](std::string_view line) {
    const bool is_error = line.substr(0, 6) == "error ";
    if (!quiet || is_error) note(utc_text(time(nullptr)) + " " + std::string(line));
  };
  options.gate.base_path = settings.base_path;
  options.gate.is_on_loopback = is_loopback_listener(settings.host);
  options.gate.allow_hosts = settings.allow_hosts;
  options.gate.allow_origins = settings.allow_origins;
  options.gate.trusted_proxies = settings.trusted_proxies;
  options.gate.requests_per_minute = settings.requests_per_minute;
  options.admission.slots = settings.parallel;
  options.admission.reserve = std::max(1, settings.parallel / 4);
  options.admission.max_waiting = settings.queue;
  options.admission.max_waiting_per_account = std::max(1, settings.queue * 3 / 4);
  options.version = kVersion;
  return options;
}

Result<ModelManagerOptions> model_options(const ServeSettings& settings) {
  ModelManagerOptions options;
  TRY(options.adapters, parse_adapters(settings.lora));
  if (!options.adapters.empty() && settings.models.size() != 1) {
    return fail(ErrorKind::invalid_argument,
                "--lora is of one model: name that model, and no other, on the command line");
  }
  if (!settings.draft.empty()) {
    if (settings.models.size() != 1) {
      return fail(ErrorKind::invalid_argument,
                  "--draft is of one model: name that model, and no other, on the command line");
    }
    TRY(options.draft, find_model(settings.draft));
  }
  options.threads = settings.threads;
  options.engine.context = settings.context;
  options.engine.max_sequences = settings.parallel + std::max(1, settings.parallel / 4);
  options.engine.max_batch_tokens = std::max(256, options.engine.max_sequences);
  options.memory_budget = static_cast<uint64_t>(settings.memory_mb) * 1000000;
  options.keep_alive = std::chrono::seconds(settings.keep_alive_seconds);
  return options;
}

// Downloads and quantising that clients ask for.
Result<std::unique_ptr<PullManager>> open_pulls(const ServeSettings& settings, PageServer& page) {
  PullManager::Options options;
  options.threads = thread_count(settings.threads);
  options.on_installed = [&page](const Manifest&) { page.models_changed(); };
  TRY(auto client, HttpClient::create());
  TRY(HubSettings hubs, hub_settings_from_environment());
  TRY(Catalogue catalogue, load_catalogue(jiang_home()));
  return std::make_unique<PullManager>(std::move(client), std::move(hubs), Store(jiang_home()),
                                       std::move(catalogue), std::move(options));
}

Status print_login_link(Storage& storage, const std::string& url) {
  TRY(const User owner, storage.users().owner());
  TRY(const std::string token, storage.users().make_login_token(owner.id, kLinkIsGood));
  note("open " + url + "/login?token=" + token + "  (once, within 30 minutes)");
  return ok();
}

Result<int> run_serve(const std::vector<std::string>& arguments) {
  TRY(const auto parsed, read_serve_settings(arguments, jiang_home(), [](const char* name) {
        return static_cast<const char*>(std::getenv(name));
      }));
  if (!parsed) return 0;
  const ServeSettings& settings = *parsed;
  const sigset_t signals = block_signals();
  raise_descriptor_limit();

  TRY(const auto storage, Storage::open(jiang_home()));
  if (settings.new_key) {
    TRY(const User owner, storage->users().owner());
    TRY(const auto key, storage->users().create_key(owner.id, *settings.new_key));
    note("new key '" + *settings.new_key + "', shown only now: " + key.secret);
  }
  StorageAuthenticator authenticator(*storage);
  TRY_STATUS(check_exposure(settings, authenticator));
  TRY(ModelManagerOptions wanted, model_options(settings));
  TRY(const auto models, ModelManager::create(std::move(wanted)));
  for (const auto& [name, path] : settings.models) TRY_STATUS(models->add(name, path));
  TRY(auto remote, read_remote_source(jiang_home()));
  models->add_source(std::move(remote));

  TRY(const auto page, PageServer::open(jiang_home(), *storage, *models, authenticator));
  TRY(const auto pulls, open_pulls(settings, *page));
  const StoreService store{.store = Store(jiang_home()), .pulls = *pulls};
  const auto more_routes = [&](ServerContext& context) {
    std::vector<Route> rows = login_routes(*storage);
    for (Route& row : store_routes(context, store)) rows.push_back(std::move(row));
    for (Route& row : page->routes(context)) rows.push_back(std::move(row));
    return rows;
  };
  TRY(const auto server,
      Server::start(server_options(settings), *models, authenticator, more_routes));
  const bool is_tls = !settings.certificate.empty();
  const bool is_v6 = settings.host.find(':') != std::string::npos;
  const std::string url = fmt::format("{}://{}:{}{}", is_tls ? "https" : "http",
                                      is_v6 ? "[" + settings.host + "]" : settings.host,
                                      server->port(), settings.base_path);
  note("listening on " + url);
  if (stderr_is_terminal()) {
    TRY_STATUS(print_login_link(*storage, url));
    note("for programs: export OPENAI_BASE_URL=" + url +
         "/v1 OPENAI_API_KEY=" + (authenticator.has_keys() ? "YOUR_KEY" : "none"));
  }
  if (models->default_model().empty()) {
    note("no model is installed yet; give one: jiang serve MODEL");
  } else if (!settings.models.empty()) {
    // Loaded now rather than by the first who asks.
    server->context().loader.acquire(settings.models.front().first, {},
                                     [](Result<ModelLease> lease) {
                                       if (!lease) note("error " + lease.error().message);
                                     });
  }

  int signal = 0;
  sigwait(&signals, &signal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // a second one ends the process at once
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) std::signal(number, SIG_DFL);
  note("stopping; answers under way have " + std::to_string(settings.grace_seconds) + " s");
  page->shut_down();
  server->stop(settings.grace_seconds, kGoodbyeSeconds);
  return 0;
}

}  // namespace

const Command kServe = {
    .name = "serve",
    .usage = "usage: jiang serve [MODEL...] [OPTIONS]",
    .summary = "serve models over HTTP: OpenAI's, Anthropic's and Ollama's APIs",
    .examples =
        "  jiang serve model.gguf\n"
        "  jiang serve small=qwen2.5-0.5b.gguf large=/models/qwen2.5-7b --port 0\n"
        "  jiang serve model.gguf --host 0.0.0.0 --allow-remote --new-key laptop",
    .run = run_serve,
};

}  // namespace jiang
