// C programs of the page's Run button, in the sandbox; and what agents are able to do here.
#include <cmath>

#include "sandbox/c_program.h"
#include "server/errors.h"
#include "server/page_support.h"

namespace jiang {
namespace {

constexpr size_t kMaxCode = size_t{1} << 20;
constexpr size_t kMaxInput = size_t{1} << 20;

int64_t millis(double seconds) { return std::llround(seconds * 1000); }

Json result_json(const CRun& done) {
  Json json = {{"compile",
                {{"ok", done.compiled},
                 {"diagnostics", done.compile.err},
                 {"millis", millis(done.compile.wall_seconds)}}},
               {"run", nullptr},
               {"files", Json::array()}};
  if (!done.run) return json;
  json["run"] = {{"end", name_of(done.run->end)},
                 {"exit_code", done.run->exit_code},
                 {"signal", done.run->signal},
                 {"out", done.run->out},
                 {"err", done.run->err},
                 {"out_cut", done.run->out_cut},
                 {"err_cut", done.run->err_cut},
                 {"millis", millis(done.run->wall_seconds)},
                 {"hint", done.hint}};
  return json;
}

Result<CProgram> program_from(const HttpRequest& request) {
  TRY(const Json body, body_object(request, {"language", "code", "input"}));
  TRY(const std::string language, required_text(body, "language"));
  if (language != "c") {
    return fail(ErrorKind::unsupported, "language: {} cannot be run here, c can", language);
  }
  CProgram program;
  TRY(program.source, required_text(body, "code"));
  TRY(auto input, optional_text(body, "input"));
  program.input = std::move(input).value_or("");
  if (program.source.size() > kMaxCode || program.input.size() > kMaxInput) {
    return fail(ErrorKind::too_large, "code: at most {} bytes, and as many of input", kMaxCode);
  }
  return program;
}

// A visitor has what the shared agent has, and no more.
Status may_run(PageContext& page, const HttpRequest& request) {
  if (!is_visitor(request)) return ok();
  TRY(const Share share, share_of_visitor(page, request));
  const auto agent =
      share.kind == Share::Kind::agent ? page.agents.find(share.id) : std::optional<AgentSpec>();
  if (agent && agent->code) return ok();
  return fail(ErrorKind::unsupported, "what was shared has no code ability: nothing is run");
}

void run_code(PageContext& page, const RequestPtr& request, const ResponderPtr& responder) {
  if (const Status allowed = may_run(page, *request); !allowed) {
    return responder->send(page_error(allowed.error()));
  }
  auto program = program_from(*request);
  if (!program) return responder->send(page_error(program.error()));
  if (page.host.sandbox == nullptr) {
    return responder->send(page_error(
        fail(ErrorKind::unsupported, "programs cannot be run here: {}", page.host.no_sandbox)));
  }
  // Who closes the connection ends the program.
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  responder->on_close([cancelled] { *cancelled = true; });
  responder->on_stop([cancelled] { *cancelled = true; });
  page.slow_workers.post([&page, responder, cancelled, program = *std::move(program)]() mutable {
    if (*cancelled) return responder->send(page_error(fail(ErrorKind::cancelled, "cancelled")));
    program.cancelled = cancelled.get();
    const auto done = run_c(*page.host.sandbox, program);
    responder->send(done ? json_response(result_json(*done)) : page_error(done.error()));
  });
}

Result<HttpResponse> abilities(PageContext& page, const HttpRequest&) {
  const auto told = [&](Ability ability) {
    const std::string reason = missing(ability, page.host);
    return Json{{"available", reason.empty()}, {"reason", reason}};
  };
  Json web = told(Ability::web);
  if (web["available"] == true && page.host.search.provider.empty()) {
    web["reason"] = "pages can be read; to search, name a provider in [search] of config.toml";
  }
  return json_response({{"code", told(Ability::code)}, {"web", std::move(web)}});
}

}  // namespace

void add_code_routes(std::vector<Route>& routes, PageContext& page) {
  Route run = page_stream_route("run-code", Access::visitor,
                                [&page](const RequestPtr& request, const ResponderPtr& responder) {
                                  run_code(page, request, responder);
                                });
  run.method = "POST";
  routes.push_back(std::move(run));
  routes.push_back(page_route("GET", "abilities", Access::visitor,
                              [&page](const HttpRequest& r) { return abilities(page, r); }));
}

}  // namespace jiang
