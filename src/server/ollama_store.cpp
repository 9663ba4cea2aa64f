// Ollama's routes over the store: what `ollama list`, `pull`, `show`, `cp`, `rm` and `create` ask.
#include <ctime>
#include <map>

#include "base/json_value.h"
#include "base/utc_text.h"
#include "hub/modelfile.h"
#include "install/create.h"
#include "install/model_description.h"
#include "server/errors.h"
#include "server/fields.h"
#include "server/store_routes.h"

namespace jiang {
namespace {

using State = PullManager::State;
using Phase = PullEvent::Phase;

HttpResponse ollama_error(const ApiError& error) {
  return error_response(ApiDialect::ollama, error);
}
HttpResponse ollama_error(const Error& error) { return ollama_error(api_error(error)); }

HttpResponse no_model(const std::string& name) {
  return ollama_error(ApiError{.status = 404, .message = "model '" + name + "' not found"});
}

// Older clients say "name" where newer ones say "model".
struct NamedBody {
  std::string model = {}, name = {};
  void named(Fields& f) {
    f.text("model", model);
    f.text("name", name);
  }
  const std::string& wanted() const { return model.empty() ? name : model; }
};

std::optional<ApiError> no_name(const NamedBody& body) {
  if (!body.wanted().empty()) return std::nullopt;
  return bad_request("model is missing", "model", "missing_field");
}

// ---- tags, ps, show

Json details_json(const std::string& type) {
  return {{"parent_model", ""},        {"format", "gguf"},     {"family", ""},
          {"families", Json::array()}, {"parameter_size", ""}, {"quantization_level", type}};
}

std::string ollama_type(std::string type) {
  for (char& c : type) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return type;
}

HttpResponse tags(const ServerContext& context, const StoreService& service, const Caller& caller) {
  std::map<std::string, Manifest> manifests;
  for (Manifest& manifest : service.store.list()) manifests[manifest.name] = std::move(manifest);
  Json models = Json::array();
  for (const ModelStatus& model : models_for(context, caller)) {
    const auto found = manifests.find(model.name);
    const bool is_stored = found != manifests.end();
    models.push_back({{"name", model.name},
                      {"model", model.name},
                      {"modified_at", utc_text(is_stored ? found->second.created : 0)},
                      {"size", model.bytes},
                      {"digest", is_stored ? found->second.id() : ""},
                      {"details", details_json(is_stored ? ollama_type(found->second.type) : "")}});
  }
  return {.body = to_string(Json{{"models", std::move(models)}})};
}

HttpResponse ps(const ServerContext& context, const StoreService& service) {
  Json models = Json::array();
  for (const ModelStatus& model : context.models.list()) {
    if (!model.loaded || model.provider != "local") continue;
    const auto found = service.store.find(model.name);
    const std::string id = found && *found ? (*found)->id() : "";
    const int64_t until =
        model.unload_at
            ? std::chrono::duration_cast<std::chrono::seconds>(model.unload_at->time_since_epoch())
                  .count()
            : std::time(nullptr) + 100LL * 365 * 86400;
    models.push_back({{"name", model.name},
                      {"model", model.name},
                      {"size", model.memory_bytes},
                      {"digest", id},
                      {"details", details_json("")},
                      {"expires_at", utc_text(until)},
                      {"size_vram", 0},
                      {"context_length", model.context}});
  }
  return {.body = to_string(Json{{"models", std::move(models)}})};
}

struct ShowBody : NamedBody {
  bool verbose = false;
  void fields(Fields& f) {
    named(f);
    f.flag("verbose", verbose);
    f.unsupported("system");
    f.unsupported("template");
    f.unsupported("options");
  }
};

HttpResponse ollama_show(const ServerContext& context, const StoreService& service,
                         const HttpRequest& request) {
  ShowBody body;
  HeaderList headers;
  if (const auto error = read_body(request, body, headers)) return ollama_error(*error);
  if (const auto error = no_name(body)) return ollama_error(*error);
  auto found = service.store.find(body.wanted());
  if (!found) return ollama_error(found.error());
  std::string path;
  for (const ModelStatus& model : context.models.list()) {
    if (model.name == body.wanted() || (*found && model.name == (*found)->name)) path = model.path;
  }
  if (*found) path = service.store.model_path(**found);
  if (path.empty()) return no_model(body.wanted());
  const auto about = describe_model(path);
  if (!about) return ollama_error(about.error());
  const Manifest manifest = *found ? **found : Manifest();
  const Modelfile modelfile = {.from = path, .settings = manifest.settings};
  std::string parameters_text;
  for (const auto& [name, value] : manifest.settings.parameters) {
    parameters_text +=
        fmt::format("{:<30} {}\n", name, name == "stop" ? to_string(Json(value)) : value);
  }
  std::string chat_template = manifest.settings.chat_template;
  if (chat_template.empty()) chat_template = about->chat_template;
  Json info = about->info;
  info["general.parameter_count"] = about->parameters;
  Json details = details_json(ollama_type(manifest.type));
  if (info.contains("general.architecture")) {
    details["family"] = info["general.architecture"];
    details["families"] = Json::array({info["general.architecture"]});
  }
  Json capabilities = Json::array({about->is_encoder ? "embedding" : "completion"});
  if (chat_template.find("tools") != std::string::npos) capabilities.push_back("tools");
  if (chat_template.find("enable_thinking") != std::string::npos)
    capabilities.push_back("thinking");
  return {.body = to_string(
              Json{{"license", manifest.settings.licence.empty() ? manifest.licence
                                                                 : manifest.settings.licence},
                   {"modelfile", modelfile_text(modelfile)},
                   {"parameters", parameters_text},
                   {"template", chat_template},
                   {"system", manifest.settings.system},
                   {"details", std::move(details)},
                   {"model_info", std::move(info)},
                   {"capabilities", std::move(capabilities)},
                   {"modified_at", utc_text(manifest.created)}})};
}

// ---- copy, delete, create

struct CopyBody {
  std::string source, destination;
  void fields(Fields& f) {
    f.text("source", source);
    f.text("destination", destination);
  }
};

HttpResponse copy(const StoreService& service, const HttpRequest& request) {
  CopyBody body;
  HeaderList headers;
  if (const auto error = read_body(request, body, headers)) return ollama_error(*error);
  const auto copied = service.store.copy(body.source, body.destination);
  return copied ? HttpResponse{.body = ""} : ollama_error(copied.error());
}

struct DeleteBody : NamedBody {
  void fields(Fields& f) { named(f); }
};

HttpResponse ollama_delete(ServerContext& context, const StoreService& service,
                           const HttpRequest& request) {
  DeleteBody body;
  HeaderList headers;
  if (const auto error = read_body(request, body, headers)) return ollama_error(*error);
  if (const auto error = no_name(body)) return ollama_error(*error);
  const auto found = service.store.find(body.wanted());
  if (!found) return ollama_error(found.error());
  if (!*found) return no_model(body.wanted());
  // Before its name goes; its memory does when its last answer is over.
  const auto unloaded = context.models.unload((*found)->name);
  if (!unloaded) return ollama_error(unloaded.error());
  const auto removed = service.store.remove((*found)->name);
  return removed ? HttpResponse{.body = ""} : ollama_error(removed.error());
}

struct CreateBody : NamedBody {
  std::string from, system, chat_template, quantize;
  Json license = {}, parameters = {}, messages = {};
  bool stream = true;
  void fields(Fields& f) {
    named(f);
    f.text("from", from);
    f.text("system", system);
    f.text("template", chat_template);
    f.json("license", license);
    f.object("parameters", parameters);
    f.list("messages", messages);
    f.flag("stream", stream);
    f.unsupported("quantize");
    f.unsupported("files");
    f.unsupported("adapters");
    f.unsupported("modelfile");
    f.unsupported("path");
  }
};

Result<Modelfile> modelfile_from(const CreateBody& body) {
  Modelfile out;
  out.from = body.from;
  out.settings.system = body.system;
  out.settings.chat_template = body.chat_template;
  const Json licences = body.license.is_array() ? body.license : Json::array({body.license});
  for (const Json& licence : licences) {
    if (licence.is_string()) {
      out.settings.licence +=
          (out.settings.licence.empty() ? "" : "\n") + licence.get<std::string>();
    }
  }
  if (body.parameters.is_object()) {
    for (const auto& [name, value] : body.parameters.items()) {
      const Json list = value.is_array() ? value : Json::array({value});
      for (const Json& each : list) {
        out.settings.parameters.emplace_back(
            name, each.is_string() ? each.get<std::string>() : to_string(each));
      }
    }
  }
  for (const Json& message : body.messages) {
    if (!message.is_object()) return fail(ErrorKind::invalid_argument, "a message is an object");
    TRY(std::string role, get_string(message, "role", "messages"));
    TRY(std::string content, get_string(message, "content", "messages"));
    out.settings.messages.emplace_back(std::move(role), std::move(content));
  }
  return out;
}

std::string ndjson(const Json& json) { return to_string(json) + "\n"; }

HttpResponse ollama_create(const StoreService& service, const HttpRequest& request) {
  CreateBody body;
  HeaderList headers;
  if (const auto error = read_body(request, body, headers)) return ollama_error(*error);
  if (const auto error = no_name(body)) return ollama_error(*error);
  if (body.from.empty())
    return ollama_error(bad_request("from is missing", "from", "missing_field"));
  // Over HTTP only installed models: a path would let any client read any file.
  const auto base = service.store.find(body.from);
  if (!base) return ollama_error(base.error());
  if (!*base) return no_model(body.from);
  const auto modelfile = modelfile_from(body);
  if (!modelfile) return ollama_error(modelfile.error());
  const auto created = create_model(service.store, body.wanted(), *modelfile);
  if (!created) return ollama_error(created.error());
  if (!body.stream) return {.body = to_string(Json{{"status", "success"}})};
  return {.body = ndjson({{"status", "writing manifest"}}) + ndjson({{"status", "success"}}),
          .content_type = "application/x-ndjson"};
}

// ---- pull

struct OllamaPullBody : NamedBody {
  bool stream = true;
  void fields(Fields& f) {
    named(f);
    f.flag("stream", stream);
    f.unsupported("insecure");
    f.unsupported("username");
    f.unsupported("password");
  }
};

std::string pull_line(const PullEvent& event) {
  switch (event.phase) {
    case Phase::listing:
      return ndjson({{"status", "pulling manifest"}});
    case Phase::fetching: {
      const std::string digest = event.sha256.empty() ? event.file : event.sha256;
      return ndjson({{"status", "pulling " + digest.substr(0, 12)},
                     {"digest", event.sha256.empty() ? event.file : "sha256:" + event.sha256},
                     {"total", event.total},
                     {"completed", event.done}});
    }
    case Phase::verifying:
      return ndjson({{"status", "verifying sha256 digest"}});
    case Phase::quantising:
      return ndjson({{"status", "quantising"}, {"total", event.total}, {"completed", event.done}});
    case Phase::trying:
      return ndjson({{"status", "trying the model"}});
    case Phase::waiting:
      return ndjson({{"status", "waiting for another pull of it"}});
    case Phase::planned:
    case Phase::done:
      break;
  }
  return "";
}

std::string pull_end(const PullManager::Status& status) {
  if (status.state == State::done) {
    return ndjson({{"status", "writing manifest"}}) + ndjson({{"status", "success"}});
  }
  return ndjson({{"error", status.error ? status.error->message : "the pull ended"}});
}

void pull(const StoreService& service, const RequestPtr& request, const ResponderPtr& responder) {
  OllamaPullBody body;
  HeaderList headers;
  if (const auto error = read_body(*request, body, headers)) {
    return responder->send(ollama_error(*error));
  }
  if (const auto error = no_name(body)) return responder->send(ollama_error(*error));
  const auto id = service.pulls.start(body.wanted(), PullManager::Interest::waiting);
  if (!id) return responder->send(ollama_error(id.error()));
  if (body.stream) {
    return stream_pull(service.pulls, responder,
                       {.pull = *id,
                        .head = {.content_type = "application/x-ndjson", .headers = headers},
                        .ping = "",
                        .line = [](uint64_t, const PullEvent& event) { return pull_line(event); },
                        .last = pull_end,
                        .counts_as_waiting = true});
  }
  // Also without a stream the connection waits, not a thread. A failure is in the body: the head
  // has gone by then.
  stream_pull(service.pulls, responder,
              {.pull = *id,
               .head = {.headers = headers},
               .ping = "",
               .line = [](uint64_t, const PullEvent&) { return std::string(); },
               .last =
                   [](const PullManager::Status& status) {
                     if (status.state == State::done) return to_string(Json{{"status", "success"}});
                     return to_string(
                         Json{{"error", status.error ? status.error->message : "the pull ended"}});
                   },
               .counts_as_waiting = true});
}

HttpResponse push(const HttpRequest&) {
  return ollama_error(ApiError{.status = 501, .message = "jiang has no registry to push to"});
}

}  // namespace

std::vector<Route> ollama_store_routes(ServerContext& context, const StoreService& service) {
  const auto row = [](const char* method, const char* path, Access access, Handler handler) {
    return Route{method, path, access, std::move(handler), ApiDialect::ollama};
  };
  const auto plain = [&](auto function) {
    return answer_with([&service, function](const HttpRequest& r) { return function(service, r); });
  };
  return {
      row("GET", "/api/version", Access::open, answer_with([&context](const HttpRequest&) {
            return HttpResponse{.body = to_string(Json{{"version", context.version}})};
          })),
      row("GET", "/api/tags", Access::model, answer_with([&](const HttpRequest& request) {
            return tags(context, service, request.caller);
          })),
      row("GET", "/api/ps", Access::model,
          answer_with([&](const HttpRequest&) { return ps(context, service); })),
      row("POST", "/api/show", Access::model, answer_with([&](const HttpRequest& request) {
            return ollama_show(context, service, request);
          })),
      row("POST", "/api/copy", Access::manage, plain(copy)),
      row("DELETE", "/api/delete", Access::manage, answer_with([&](const HttpRequest& request) {
            return ollama_delete(context, service, request);
          })),
      row("POST", "/api/create", Access::manage, plain(ollama_create)),
      row("POST", "/api/push", Access::manage, answer_with(push)),
      row("POST", "/api/pull", Access::manage,
          [&service](const RequestPtr& request, const ResponderPtr& responder) {
            pull(service, request, responder);
          }),
  };
}

}  // namespace jiang
