// The page's catalogue and pulls (docs/api.md).
#include "base/json_value.h"
#include "base/machine.h"
#include "server/errors.h"
#include "server/fields.h"
#include "server/store_routes.h"

namespace jiang {
namespace {

using State = PullManager::State;

constexpr double kMemoryShare = 0.8;
constexpr uint64_t kWorkspace = uint64_t{300} << 20;  // context and workspace of a small chat

HttpResponse catalogue(const StoreService& service) {
  const auto memory =
      static_cast<uint64_t>(static_cast<double>(inspect_machine().memory_bytes) * kMemoryShare);
  // The largest that fits of those that answer, is what a newcomer should try first.
  const CatalogueEntry* best = nullptr;
  const Catalogue& all = service.pulls.puller().catalogue();
  for (const CatalogueEntry& entry : all.entries) {
    const bool fits = entry.quantised_bytes() + kWorkspace <= memory / 2;
    const bool is_small = entry.parameters <= 2'000'000'000;  // a CPU answers while one watches
    if (!entry.embedding && !entry.gated && fits && is_small &&
        (!best || entry.parameters > best->parameters)) {
      best = &entry;
    }
  }
  Json items = Json::array();
  for (const CatalogueEntry& entry : all.entries) {
    const auto found = service.store.find(entry.name);
    const uint64_t needed = entry.quantised_bytes() + kWorkspace;
    items.push_back({{"name", entry.name},
                     {"title", entry.title},
                     {"parameters", entry.parameters},
                     {"bytes", entry.bytes},
                     {"memory_needed", needed},
                     {"licence", entry.licence},
                     {"fits", needed <= memory},
                     {"expected_tps", nullptr},  // nothing here has measured this machine
                     {"recommended", &entry == best},
                     {"installed", found && *found}});
  }
  return {.body = to_string(Json{{"items", std::move(items)}})};
}

struct PagePullBody {
  std::string name;
  void fields(Fields& f) { f.text("name", name); }
};

HttpResponse start(const StoreService& service, const HttpRequest& request) {
  PagePullBody body;
  HeaderList headers;
  if (const auto error = read_body(request, body, headers)) {
    return error_response(ApiDialect::jiang, *error);
  }
  if (body.name.empty()) {
    return error_response(ApiDialect::jiang,
                          bad_request("name is missing", "name", "missing_field"));
  }
  const auto id = service.pulls.start(body.name, PullManager::Interest::background);
  if (!id) return error_response(ApiDialect::jiang, api_error(id.error()));
  return {.status = 201, .body = to_string(Json{{"pull", *id}}), .headers = headers};
}

Json progress_json(const PullEvent& event) {
  return {{"type", "progress"},
          {"file", event.file},
          {"done", event.done},
          {"total", event.total},
          {"all_done", event.all_done},
          {"all_total", event.all_total},
          {"phase", phase_name(event.phase)}};
}

Json end_json(const PullManager::Status& status) {
  if (status.state == State::done) {
    return {{"type", "done"}, {"model", status.manifest ? status.manifest->name : status.name}};
  }
  return {{"type", "error"}, {"message", status.error ? status.error->message : "the pull ended"}};
}

HttpResponse list_pulls(const StoreService& service) {
  Json items = Json::array();
  for (const PullManager::Status& status : service.pulls.list()) {
    Json item = status.state == State::running ? progress_json(status.last) : end_json(status);
    item["id"] = status.id;
    item["name"] = status.name;
    items.push_back(std::move(item));
  }
  return {.body = to_string(Json{{"items", std::move(items)}})};
}

HttpResponse no_pull() {
  return error_response(ApiDialect::jiang,
                        ApiError{.status = 404, .message = "no such pull", .code = "not_found"});
}

void events(const StoreService& service, const RequestPtr& request, const ResponderPtr& responder) {
  const std::string& id = request->params[0];
  if (!service.pulls.status(id)) return responder->send(no_pull());
  // Speed and the time left come from the events before.
  struct Speed {
    double seconds = 0;
    uint64_t done = 0;
    double bytes_per_second = 0;
  };
  auto speed = std::make_shared<Speed>();
  stream_pull(
      service.pulls, responder,
      {.pull = id,
       .head = event_stream_head(),
       .ping = kSsePing,
       .line =
           [speed](uint64_t number, const PullEvent& event) {
             const double now =
                 std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
                     .count();
             if (speed->seconds == 0) *speed = {now, event.all_done, 0};
             if (now - speed->seconds > 1) {
               const double fresh =
                   static_cast<double>(event.all_done - speed->done) / (now - speed->seconds);
               const double old = speed->bytes_per_second;
               *speed = {now, event.all_done, old > 0 ? 0.7 * old + 0.3 * fresh : fresh};
             }
             Json json = progress_json(event);
             json["bytes_per_second"] = static_cast<uint64_t>(speed->bytes_per_second);
             json["eta_s"] = nullptr;
             if (speed->bytes_per_second > 0 && event.all_total >= event.all_done) {
               json["eta_s"] = static_cast<uint64_t>(
                   static_cast<double>(event.all_total - event.all_done) / speed->bytes_per_second);
             }
             return fmt::format("id: {}\ndata: {}\n\n", number, to_string(json));
           },
       .last =
           [](const PullManager::Status& status) {
             return "data: " + to_string(end_json(status)) + "\n\n";
           },
       .counts_as_waiting = false});
}

HttpResponse cancel(const StoreService& service, const HttpRequest& request) {
  if (!service.pulls.status(request.params[0])) return no_pull();
  service.pulls.cancel(request.params[0]);
  return {.status = 204};
}

}  // namespace

std::vector<Route> page_pull_routes(const StoreService& service) {
  const auto row = [](const char* method, const char* path, Access access, Handler handler) {
    return Route{method, path, access, std::move(handler), ApiDialect::jiang};
  };
  return {
      row("GET", "/jiang/v1/catalogue", Access::model,
          answer_with([&](const HttpRequest&) { return catalogue(service); })),
      row("POST", "/jiang/v1/pulls", Access::manage,
          answer_with([&](const HttpRequest& request) { return start(service, request); })),
      row("GET", "/jiang/v1/pulls", Access::manage,
          answer_with([&](const HttpRequest&) { return list_pulls(service); })),
      row("GET", "/jiang/v1/pulls/{id}/events", Access::manage,
          [&service](const RequestPtr& request, const ResponderPtr& responder) {
            events(service, request, responder);
          }),
      row("DELETE", "/jiang/v1/pulls/{id}", Access::manage,
          answer_with([&](const HttpRequest& request) { return cancel(service, request); })),
  };
}

std::vector<Route> store_routes(ServerContext& context, const StoreService& service) {
  std::vector<Route> rows = ollama_store_routes(context, service);
  for (Route& row : page_pull_routes(service)) rows.push_back(std::move(row));
  return rows;
}

}  // namespace jiang
