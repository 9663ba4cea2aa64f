#include "server/connection.h"

#include <sys/random.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "server/http_text.h"

namespace jiang::http {
namespace {

constexpr size_t kReadAhead = size_t{64} << 10;   // of pipelined requests while one is answered
constexpr size_t kMaxWrite = size_t{256} << 10;   // at once
constexpr size_t kMaxBacklog = size_t{16} << 20;  // of a stream's writer that ignores unsent()
constexpr size_t kSmallBuffer = size_t{4} << 10;  // what an idle connection may keep
constexpr double kLingerSeconds = 5;

double seconds_of(SteadyClock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Unique while the process lives, and unlikely to meet another's.
std::string make_request_id(uint64_t n) {
  static const uint32_t start = [] {
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
      random = static_cast<uint32_t>(time(nullptr));
    return random;
  }();
  return fmt::format("req_{:08x}{:08x}", start, n);
}

const char* parse_error_message(int status) {
  switch (status) {
    case 413:
      return "the body is larger than this server takes";
    case 431:
      return "the headers are larger than this server takes";
    case 505:
      return "this server speaks HTTP/1.1 and HTTP/1.0";
    default:
      return "this is not a well-formed HTTP request";
  }
}

int status_of_parse_error(const error_code& error) {
  using E = beast::http::error;
  if (error == E::header_limit || error == E::buffer_overflow) return 431;
  if (error == E::body_limit) return 413;
  if (error == E::bad_version) return 505;
  return 400;
}

}  // namespace

// Bytes on their way to the strand: they have arrived, or were lost on it.
struct Posted {
  Posted(std::shared_ptr<Exchange> to, size_t n_bytes) : exchange(std::move(to)), n(n_bytes) {
    exchange->posted += n;
  }
  ~Posted() { arrive(); }
  Posted(const Posted&) = delete;
  Posted& operator=(const Posted&) = delete;
  void arrive() { exchange->posted -= std::exchange(n, 0); }

  const std::shared_ptr<Exchange> exchange;
  size_t n;
};

// The Responder of one request. Handlers hold this, the connection holds the Exchange.
class Handle final : public Responder {
 public:
  explicit Handle(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~Handle() override {
    try {
      exchange_->run([](Connection& connection, Exchange&) { connection.abandon(); });
    } catch (const std::exception&) {
      give_up();
    }
  }

  void send(HttpResponse response) override {
    exchange_->run([response = std::move(response)](Connection& connection, Exchange&) mutable {
      connection.send(std::move(response));
    });
  }
  void begin(HttpResponse head, std::string ping) override {
    exchange_->run([head = std::move(head), ping = std::move(ping)](Connection& connection,
                                                                    Exchange&) mutable {
      connection.begin_stream(std::move(head), std::move(ping));
    });
  }
  void write(std::string piece) override {
    if (piece.empty()) return;
    const size_t n = piece.size();
    const auto posted = std::make_shared<Posted>(exchange_, n);
    exchange_->connection_->post([posted, piece = std::move(piece)]() mutable {
      Exchange& exchange = *posted->exchange;
      if (!exchange.is_over) exchange.connection_->write_piece(std::move(piece));
      posted->arrive();
    });
  }
  void end() override {
    exchange_->run([](Connection& connection, Exchange&) { connection.end_stream(); });
  }
  size_t unsent() const override { return exchange_->posted.load() + exchange_->queued.load(); }

  void on_drain(std::function<void()> callback) override {
    set(&Exchange::on_drain, std::move(callback));
  }
  void on_close(std::function<void()> callback) override {
    exchange_->connection_->post([exchange = exchange_, callback = std::move(callback)]() mutable {
      if (exchange->is_client_gone) return callback();
      if (!exchange->is_over) exchange->on_close = std::move(callback);
    });
  }
  void on_tick(std::function<void()> callback) override {
    exchange_->run(
        [callback = std::move(callback)](Connection& connection, Exchange& exchange) mutable {
          exchange.on_tick = std::move(callback);
          connection.wants_ticks_.store(true);
        });
  }
  void on_stop(std::function<void()> callback) override {
    exchange_->run(
        [callback = std::move(callback)](Connection& connection, Exchange& exchange) mutable {
          if (connection.shared_->is_ending_streams.load()) return callback();
          exchange.on_stop = std::move(callback);
        });
  }
  void post(std::function<void()> work) override { exchange_->connection_->post(std::move(work)); }
  void give_up() noexcept override { exchange_->connection_->give_up(); }

 private:
  void set(std::function<void()> Exchange::*slot, std::function<void()> callback) {
    exchange_->run([slot, callback = std::move(callback)](Connection&, Exchange& exchange) mutable {
      exchange.*slot = std::move(callback);
    });
  }
  const std::shared_ptr<Exchange> exchange_;
};

Connection::Connection(std::shared_ptr<Shared> shared, Strand strand, std::string address,
                       std::shared_ptr<void> seat)
    : counted_(shared),
      strand_(std::move(strand)),
      shared_(std::move(shared)),
      address_(std::move(address)),
      seat_(std::move(seat)) {
  set_deadline(shared_->options.header_seconds);
}

template <class Work>
void Connection::guarded(Work&& work) noexcept {
  try {
    work();
  } catch (const std::exception& exception) {
    on_failure(exception);
  }
}

void Shared::report(const std::exception& exception) const noexcept {
  try {
    if (options.log) options.log("error " + log_text(exception.what(), 500));
  } catch (const std::exception&) {  // there is nobody left to tell
  }
}

void Connection::on_failure(const std::exception& exception) noexcept {
  shared_->report(exception);
  try {
    shut();
  } catch (const std::exception&) {  // of whoever heard of it: the socket is closed by then
  }
}

void Connection::post(std::function<void()> work) {
  asio::post(strand_, [self = shared_from_this(), work = std::move(work)] { self->guarded(work); });
}

void Connection::set_deadline(double seconds) {
  const auto wait = std::chrono::duration_cast<SteadyClock::duration>(
      std::chrono::duration<double>(std::min(seconds, 1e8)));
  deadline_.store((SteadyClock::now() + wait).time_since_epoch().count());
}

void Connection::start() {
  post([self = shared_from_this()] {
    self->handshake([self](error_code error, size_t) {
      self->guarded([&] { return error ? self->shut() : self->begin_request(); });
    });
  });
}

void Connection::begin_request() {
  if (shared_->is_stopping.load() && buffer_.size() == 0) return shut();
  phase_ = Phase::header;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(shared_->options.max_header_bytes));
  parser_->body_limit(shared_->options.max_body_bytes);
  parser_->eager(false);
  set_deadline(buffer_.size() > 0 || is_first_ ? shared_->options.header_seconds
                                               : shared_->options.idle_seconds);
  is_first_ = false;
  process();
}

void Connection::read() {
  if (is_reading_ || client_has_ended_ || phase_ == Phase::closed) return;
  if (buffer_.size() > shared_->options.max_header_bytes + kReadAhead) return;  // far ahead of us
  is_reading_ = true;
  read_some(asio::buffer(chunk_), [self = shared_from_this()](error_code error, size_t n) {
    self->is_reading_ = false;
    self->guarded([&] { self->on_read(error, n); });
  });
}

void Connection::on_read(error_code error, size_t n) {
  if (phase_ == Phase::closed) return;
  if (error) {
    client_has_ended_ = true;
    on_client_gone();
    return;
  }
  if (phase_ == Phase::header && buffer_.size() == 0)
    set_deadline(shared_->options.header_seconds);  // the first byte of a request
  buffer_.append(chunk_.data(), n);
  process();
}

void Connection::on_client_gone() {
  switch (phase_) {
    case Phase::admitting:
    case Phase::answering: {
      exchange_->is_client_gone = true;
      // Without a listener the answer is still written: some clients end their side early and read.
      if (auto callback = std::move(exchange_->on_close)) {
        exchange_->on_close = nullptr;
        callback();
        status_ = is_answered_ ? status_ : 499;
        log_answer();
        shut();
      }
      return;
    }
    default:
      shut();
  }
}

void Connection::process() {
  switch (phase_) {
    case Phase::header:
      return parse_header();
    case Phase::body:
      return parse_body();
    case Phase::lingering:
      buffer_.clear();
      return read();
    case Phase::handshake:
    case Phase::admitting:
    case Phase::answering:
      return read();
    case Phase::closed:
      return;
  }
}

void Connection::parse_header() {
  while (buffer_.size() > 0) {
    error_code error;
    const size_t used = parser_->put(asio::const_buffer(buffer_.data(), buffer_.size()), error);
    buffer_.erase(0, used);
    if (error == beast::http::error::need_more) {
      if (buffer_.size() > shared_->options.max_header_bytes)
        return refuse(431, parse_error_message(431));
      break;
    }
    if (error) {
      const int status = status_of_parse_error(error);
      return refuse(status, parse_error_message(status));
    }
    if (parser_->is_header_done()) return on_header();
    if (used == 0) break;
  }
  read();
}

void Connection::on_header() {
  const auto& message = parser_->get();
  began_ = SteadyClock::now();
  request_ = std::make_shared<HttpRequest>();
  request_->id = make_request_id(++shared_->n_requests);
  request_->method = std::string(message.method_string());
  bool is_clean = true;
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    std::string value(field.value());
    is_clean = is_clean && std::none_of(value.begin(), value.end(), [](char c) {
                 return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f;
               });
    request_->headers.emplace_back(std::move(name), std::move(value));
  }
  is_http_1_0_ = message.version() < 11;
  keeps_alive_ = message.keep_alive() && !shared_->is_stopping.load();
  is_head_only_ = request_->method == "HEAD";
  has_body_ =
      !parser_->is_done() && (parser_->chunked() || parser_->content_length().value_or(0) > 0);
  is_stream_ = is_over_ = is_answered_ = false;
  status_ = 0;
  sent_bytes_ = 0;
  extra_headers_.clear();
  route_ = nullptr;
  phase_ = Phase::admitting;
  exchange_ = std::make_shared<Exchange>(shared_from_this());
  if (!is_clean) return refuse(400, "a header holds control characters");
  if (message.version() != 11 && message.version() != 10)
    return refuse(505, parse_error_message(505));

  auto verdict = shared_->gate.check(*request_, std::string(message.target()), address_, is_tls());
  extra_headers_ = std::move(verdict.headers);
  if (is_head_only_) request_->method = "GET";
  if (verdict.answer) return answer_now(std::move(*verdict.answer));
  if (parser_->content_length().value_or(0) > shared_->options.max_body_bytes)
    return refuse(413, parse_error_message(413));

  const Route* route = verdict.route;
  route_ = route;
  const Credentials credentials = credentials_of(*request_);
  if (credentials.key.empty() && credentials.session.empty()) {
    return on_authorized(shared_->gate.authorize(*request_, *route, shared_->authenticator), route);
  }
  set_deadline(shared_->options.stall_seconds);
  shared_->workers.post([self = shared_from_this(), request = request_, route] {
    auto refusal = self->shared_->gate.authorize(*request, *route, self->shared_->authenticator);
    self->post([self, request, route, refusal = std::move(refusal)]() mutable {
      if (self->phase_ == Phase::admitting && self->request_ == request)
        self->on_authorized(std::move(refusal), route);
    });
  });
  read();
}

void Connection::on_authorized(std::optional<HttpResponse> refusal, const Route* route) {
  if (refusal) return answer_now(std::move(*refusal));
  if (!has_body_) {
    phase_ = Phase::answering;
    return dispatch(*route);
  }
  phase_ = Phase::body;
  body_began_ = SteadyClock::now();
  body_bytes_ = 0;
  set_deadline(shared_->options.body_seconds);
  const auto& message = parser_->get();
  if (!is_http_1_0_ && beast::iequals(message[beast::http::field::expect], "100-continue")) {
    pending_ += "HTTP/1.1 100 Continue\r\n\r\n";
    flush();
  }
  parser_->eager(true);
  parse_body();
}

void Connection::parse_body() {
  while (buffer_.size() > 0 && !parser_->is_done()) {
    error_code error;
    const size_t used = parser_->put(asio::const_buffer(buffer_.data(), buffer_.size()), error);
    buffer_.erase(0, used);
    body_bytes_ += used;
    if (error == beast::http::error::need_more) break;
    if (error) {
      const int status = status_of_parse_error(error);
      return refuse(status, parse_error_message(status));
    }
    if (used == 0) break;
  }
  if (parser_->is_done()) {
    request_->body = std::move(parser_->get().body());
    phase_ = Phase::answering;
    has_body_ = false;
    return dispatch(*route_);
  }
  const auto so_far = seconds_of(SteadyClock::now() - body_began_);
  set_deadline(shared_->options.body_seconds + static_cast<double>(body_bytes_) / 1024 - so_far);
  if (buffer_.size() > kReadAhead) return refuse(400, parse_error_message(400));
  if (client_has_ended_) return shut();
  read();
}

void Connection::dispatch(const Route& route) {
  parser_.reset();
  set_deadline(1e8);
  read();  // sees the client go
  if (phase_ != Phase::answering) return;
  if (route.early) {
    if (auto answer = route.early(*request_)) return answer_now(std::move(*answer));
  }
  auto responder = std::make_shared<Handle>(exchange_);
  auto work = [shared = shared_, &route, request = request_, responder = std::move(responder)] {
    try {
      route.handler(request, responder);
    } catch (const std::exception& exception) {
      if (shared->options.log) {
        shared->options.log(
            fmt::format("error id={} {}", request->id, log_text(exception.what(), 500)));
      }
      responder->send(error_response(
          route.dialect,
          {.status = 500, .message = "an error inside the server; its log names " + request->id}));
    }
  };
  if (route.where == Route::Where::io_thread) {
    work();
  } else {
    shared_->workers.post(std::move(work));
  }
}

void Connection::refuse(int status, const std::string& message) {
  keeps_alive_ = false;  // what follows cannot be told from the rest of this request
  has_body_ = true;      // and is not read
  if (!request_) {
    began_ = SteadyClock::now();
    request_ = std::make_shared<HttpRequest>();
    request_->id = make_request_id(++shared_->n_requests);
    request_->address = address_;
  }
  if (!exchange_) exchange_ = std::make_shared<Exchange>(shared_from_this());
  ApiError error{.status = status, .message = message};
  answer_now(error_response(route_ != nullptr ? route_->dialect : ApiDialect::openai, error));
}

void Connection::answer_now(HttpResponse response) {
  phase_ = Phase::answering;
  if (has_body_) keeps_alive_ = false;  // unread
  send(std::move(response));
}

void Connection::abandon() {
  if (is_over_) return;  // answered in full, and perhaps still being written
  if (is_answered_) {    // in the middle of a stream: there is no way to say so but to break it
    log_answer();
    return shut();
  }
  send(error_response(
      route_ != nullptr ? route_->dialect : ApiDialect::openai,
      {.status = 500, .message = "the server gave no answer; this is a bug of jiang"}));
}

std::string Connection::head_text(const HttpResponse& response,
                                  std::optional<size_t> length) const {
  std::string text =
      fmt::format("HTTP/1.1 {} {}\r\ndate: {}\r\nx-request-id: {}\r\n", response.status,
                  reason_phrase(response.status), http_date(time(nullptr)), request_->id);
  const auto add = [&](std::string_view name, std::string_view value) {
    text += name;
    text += ": ";
    for (const char c : value) text += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
    text += "\r\n";
  };
  if (!response.content_type.empty()) add("content-type", response.content_type);
  add("x-content-type-options", "nosniff");
  for (const auto& [name, value] : extra_headers_) add(name, value);
  for (const auto& [name, value] : response.headers) add(name, value);
  if (length) {
    if (response.status != 204 && response.status != 304)
      add("content-length", std::to_string(*length));
  } else if (!is_http_1_0_) {
    add("transfer-encoding", "chunked");
  }
  const bool stays = keeps_alive_ && (length || !is_http_1_0_);
  add("connection", stays ? "keep-alive" : "close");
  text += "\r\n";
  return text;
}

void Connection::send(HttpResponse response) {
  if (is_answered_) return;
  is_answered_ = is_over_ = true;
  status_ = response.status;
  pending_ += head_text(response, response.body.size());
  if (!is_head_only_ && response.status != 204 && response.status != 304) pending_ += response.body;
  flush();
}

void Connection::begin_stream(HttpResponse head, std::string ping) {
  if (is_answered_) return;
  is_answered_ = is_stream_ = true;
  status_ = head.status;
  if (is_http_1_0_) keeps_alive_ = false;
  pending_ += head_text(head, std::nullopt);
  ping_ = std::move(ping);
  last_write_ = SteadyClock::now();
  wants_ticks_.store(true);
  if (!head.body.empty()) return write_piece(std::move(head.body));
  flush();
}

void Connection::write_piece(std::string piece) {
  if (!is_stream_ || is_over_ || piece.empty() || is_head_only_) return;
  last_write_ = SteadyClock::now();
  if (is_http_1_0_) {
    pending_ += piece;
  } else {
    pending_ += fmt::format("{:x}\r\n", piece.size());
    pending_ += piece;
    pending_ += "\r\n";
  }
  if (pending_.size() > kMaxBacklog) {
    log_answer();
    return shut();
  }
  flush();
}

void Connection::end_stream() {
  if (!is_stream_ || is_over_) return;
  is_over_ = true;
  if (!is_http_1_0_ && !is_head_only_) pending_ += "0\r\n\r\n";
  flush();
}

void Connection::flush() {
  if (phase_ == Phase::closed) return;
  if (exchange_) exchange_->queued.store(pending_.size() + in_flight_.size() - in_flight_offset_);
  if (is_writing_) return;
  if (in_flight_offset_ == in_flight_.size()) {
    in_flight_ = std::move(pending_);
    pending_ = {};
    in_flight_offset_ = 0;
  }
  if (in_flight_.empty()) {
    if (is_over_) complete();
    return;
  }
  is_writing_ = true;
  set_deadline(shared_->options.stall_seconds);
  const size_t n = std::min(in_flight_.size() - in_flight_offset_, kMaxWrite);
  write_some(asio::buffer(in_flight_.data() + in_flight_offset_, n),
             [self = shared_from_this()](error_code error, size_t written) {
               self->is_writing_ = false;
               self->guarded([&] { self->on_written(error, written); });
             });
}

void Connection::on_written(error_code error, size_t n) {
  if (phase_ == Phase::closed) return;
  if (error) {
    client_has_ended_ = true;
    if (exchange_) {
      exchange_->is_client_gone = true;
      if (auto callback = std::move(exchange_->on_close)) callback();
      log_answer();
    }
    return shut();
  }
  in_flight_offset_ += n;
  sent_bytes_ += n;
  if (in_flight_offset_ == in_flight_.size()) {
    in_flight_.clear();
    in_flight_offset_ = 0;
    if (pending_.empty() && phase_ == Phase::answering) set_deadline(1e8);
  }
  if (exchange_) {
    const size_t left = pending_.size() + in_flight_.size() - in_flight_offset_;
    exchange_->queued.store(left);
    if (left + exchange_->posted.load() < Responder::kHighWater / 2 && exchange_->on_drain) {
      const auto callback = exchange_->on_drain;  // a copy: it may replace itself
      callback();
    }
  }
  flush();
}

void Connection::complete() {
  const bool is_all_read = !has_body_ && buffer_.empty();
  log_answer();
  if (exchange_) exchange_->finish();
  exchange_.reset();
  request_.reset();
  parser_.reset();
  route_ = nullptr;
  wants_ticks_.store(false);
  is_stream_ = is_over_ = is_answered_ = has_body_ = is_head_only_ = false;
  ping_ = {};
  in_flight_ = {};
  in_flight_offset_ = 0;
  if (client_has_ended_ && buffer_.size() == 0) return shut();
  if (!keeps_alive_) return is_all_read ? shut() : linger();
  if (buffer_.empty() && buffer_.capacity() > kSmallBuffer) buffer_.shrink_to_fit();
  begin_request();
}

// Closing with unread bytes would reset the connection, and the client might never see our answer:
// so we say goodbye and read on for a while.
void Connection::linger() {
  phase_ = Phase::lingering;
  set_deadline(kLingerSeconds);
  shut_down_sending();
  if (client_has_ended_) return shut();
  process();
}

void Connection::shut() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  close();
  // Handlers may hold on to this object for a while; the connection itself is gone.
  const auto seat = std::move(seat_);
  if (const auto exchange = std::move(exchange_)) {
    exchange->is_client_gone = true;
    const auto callback = std::move(exchange->on_close);
    exchange->finish();
    if (callback) callback();
  }
}

void Connection::log_answer() const {
  if (!shared_->options.log || !request_) return;
  shared_->options.log(fmt::format(
      "{} {} {} {} {} bytes {:.0f} ms id={}{}{}", log_text(request_->address, 64),
      is_head_only_              ? "HEAD"
      : request_->method.empty() ? "-"
                                 : log_text(request_->method, 20),
      request_->path.empty() ? "-" : log_text(request_->path), status_, sent_bytes_,
      seconds_of(SteadyClock::now() - began_) * 1000, request_->id,
      request_->caller.name.empty() ? "" : " user=", log_text(request_->caller.name, 64)));
}

void Connection::tick(SteadyClock::time_point now) {
  const bool is_late = now.time_since_epoch().count() > deadline_.load();
  if (!is_late && !wants_ticks_.load()) return;
  post([self = shared_from_this(), now] {
    if (self->phase_ == Phase::closed) return;
    if (now.time_since_epoch().count() > self->deadline_.load()) {
      const bool is_slow_request =
          (self->phase_ == Phase::header && self->parser_ && self->parser_->got_some()) ||
          self->phase_ == Phase::body;
      if (is_slow_request) return self->refuse(408, "the request took too long to arrive");
      if (self->phase_ == Phase::answering) self->log_answer();
      return self->shut();
    }
    if (self->exchange_ && self->exchange_->on_tick) {
      const auto callback = self->exchange_->on_tick;
      callback();
    }
    if (self->is_stream_ && !self->is_over_ && !self->ping_.empty() &&
        seconds_of(now - self->last_write_) >= self->shared_->options.ping_seconds)
      self->write_piece(self->ping_);
  });
}

void Connection::stop_when_idle() {
  post([self = shared_from_this()] {
    self->keeps_alive_ = false;
    if (self->phase_ == Phase::header && self->buffer_.size() == 0) self->shut();
  });
}

void Connection::end_streams() {
  post([self = shared_from_this()] {
    if (!self->exchange_) return;
    if (auto callback = std::move(self->exchange_->on_stop)) {
      self->exchange_->on_stop = nullptr;
      callback();
    }
  });
}

void Connection::abort() {
  post([self = shared_from_this()] { self->shut(); });
}

}  // namespace jiang::http
