// From a ChatRequest to the client: waits for the model and for a slot, starts the answer, and
// drives its events into the client's connection in a dialect's form.
//
// No thread waits for an answer: the engine's notify posts to the connection's strand, which reads
// what is there. A client that reads slowly stops the reading, and in time its sequence. A client
// that goes away ends its own answer and no other.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chat/backend.h"
#include "server/context.h"
#include "server/errors.h"
#include "server/http.h"
#include "server/route.h"
#include "server/sampling_fields.h"

namespace jiang {

// One answer in a dialect's form. Everything is called on one thread at a time. `choice` counts the
// answers of one request (n).
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  virtual ApiDialect dialect() const = 0;

  // When the answer has begun; `model` is the name that it was found under.
  virtual void begin(const std::string& model) = 0;

  // Streams: what goes over the wire. begin and end are called once each.
  virtual HttpResponse stream_head() const { return event_stream_head(); }
  virtual std::string ping() const { return kSsePing; }
  virtual std::string stream_begin() = 0;
  virtual std::string stream_event(int32_t choice, const ChatEvent& event) = 0;
  virtual std::string stream_end() = 0;
  // In place of the rest of it.
  virtual std::string stream_error(const ApiError& error) = 0;

  // Whole answers: told all events, then asked.
  virtual void take(int32_t choice, ChatEvent event) = 0;
  virtual HttpResponse whole() = 0;
};

struct AnswerJob {
  std::string model = {};  // as asked for; "": the default
  std::optional<std::chrono::seconds> keep_alive = {};
  std::vector<ChatRequest> requests = {};  // one for each choice
  size_t n_per_prompt = 1;                 // choices of one prompt, which stand together
  SamplingFields sampling = {};            // the requests' own is filled in from it
  bool is_stream = false;
  std::unique_ptr<AnswerFormat> format = {};
  HeaderList headers = {};  // of the answer
  // Checks and completes the requests once the model is known. On a worker.
  std::function<std::optional<ApiError>(LoadedModelEntry&, std::vector<ChatRequest>&)> prepare = {};
};

void answer(ServerContext& context, const RequestPtr& request, const ResponderPtr& responder,
            AnswerJob job);

struct WantedModel {
  std::string name = {};  // "": the default
  std::optional<std::chrono::seconds> keep_alive = {};
};
// A model for a handler that needs one, on a worker, with the model's errors told in `dialect`.
// `work` runs on `context.patient` and answers by itself.
void with_model(ServerContext& context, const Caller& caller, const ResponderPtr& responder,
                ApiDialect dialect, const WantedModel& wanted,
                std::function<void(ModelLease)> work);

}  // namespace jiang
