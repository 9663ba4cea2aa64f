#include "server/store_routes.h"

namespace jiang {
namespace {

// Everything runs on the connection's strand, but for the watcher, which only posts there.
struct Pump : std::enable_shared_from_this<Pump> {
  Pump(PullManager& pulls_, ResponderPtr responder_, PullStream stream_)
      : pulls(pulls_), responder(std::move(responder_)), stream(std::move(stream_)) {}

  PullManager& pulls;
  ResponderPtr responder;
  PullStream stream;
  uint64_t told = 0;
  uint64_t watcher = 0;
  bool is_over = false;

  void begin() {
    responder->begin(std::move(stream.head), stream.ping);
    responder->on_close([self = shared_from_this()] { self->finish(); });
    responder->on_stop([self = shared_from_this()] { self->stop(); });
    responder->on_drain([self = shared_from_this()] { self->advance(); });
    const std::weak_ptr<Pump> weak = weak_from_this();
    watcher = pulls.watch(stream.pull, [weak] {
      if (const auto self = weak.lock()) self->responder->post([self] { self->advance(); });
    });
    // What happened before the watcher was there; and it keeps the pump until then.
    responder->post([self = shared_from_this()] { self->advance(); });
  }

  void advance() {
    if (is_over || responder->unsent() > Responder::kHighWater) return;
    // The state first: what was said before the end is in the events that are read after it.
    const auto status = pulls.status(stream.pull);
    for (const auto& [number, event] : pulls.events(stream.pull, told)) {
      told = number;
      std::string text = stream.line(number, event);
      if (!text.empty()) responder->write(std::move(text));
    }
    if (status && status->state == PullManager::State::running) return;
    if (status) responder->write(stream.last(*status));
    responder->end();
    finish();
  }

  void stop() {
    if (is_over) return;
    PullManager::Status status;
    status.state = PullManager::State::failed;
    status.error = Error{ErrorKind::cancelled, "the server is stopping"};
    responder->write(stream.last(status));
    responder->end();
    finish();
  }

  void finish() {
    if (is_over) return;
    is_over = true;
    pulls.unwatch(watcher);
    if (stream.counts_as_waiting) pulls.leave(stream.pull);
  }
};

}  // namespace

void stream_pull(PullManager& pulls, const ResponderPtr& responder, PullStream stream) {
  auto pump = std::make_shared<Pump>(pulls, responder, std::move(stream));
  responder->post([pump] { pump->begin(); });
}

}  // namespace jiang
