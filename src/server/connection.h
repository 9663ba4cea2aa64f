// One connection: reads requests with Beast's parser, one at a time, and writes their answers.
// Included by http_server.cpp only.
//
// There is always one read under way unless the client is far ahead: so it is seen at once when the
// client goes away. All state belongs to the strand; what other threads ask for is posted to it.
// There are no timers here: the server calls tick() once a second.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/io_context_strand.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "server/gate.h"
#include "server/http_server.h"

namespace jiang::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
// The kind that shares a few hundred locks: making one needs no memory. Boost 1.74's asio::strand<>
// crashes where the second of its two allocations fails.
using Strand = asio::io_context::strand;
using SteadyClock = std::chrono::steady_clock;

// Connections that exist, closed or not: whoever answered last may hold one for a moment longer, on
// a thread of its own, and the strand's service must outlive it. Any thread.
class Census {
 public:
  void enter() {
    const std::lock_guard lock(mutex_);
    ++n_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--n_ == 0) none_.notify_all();
  }
  // False: time is up.
  bool wait_for_none(double seconds) {
    std::unique_lock lock(mutex_);
    return none_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return n_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int64_t n_ = 0;
};

// What all connections share.
struct Shared {
  Shared(HttpServerOptions o, Gate g, Authenticator& a, WorkerPool& w)
      : options(std::move(o)), gate(std::move(g)), authenticator(a), workers(w) {}
  const HttpServerOptions options;
  const Gate gate;
  Authenticator& authenticator;
  WorkerPool& workers;
  std::atomic<bool> is_stopping = false;
  std::atomic<bool> is_ending_streams = false;
  std::atomic<uint64_t> n_requests = 0;
  Census census;

  // To the log, if there is memory for a line.
  void report(const std::exception& exception) const noexcept;
};

class Exchange;
class Handle;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `seat` is let go when the connection is gone.
  Connection(std::shared_ptr<Shared> shared, Strand strand, std::string address,
             std::shared_ptr<void> seat);
  virtual ~Connection() = default;

  void start();  // any thread, once
  // Any thread:
  void tick(SteadyClock::time_point now);
  void stop_when_idle();
  void end_streams();  // Responder::on_stop
  void abort();
  void post(std::function<void()> work);
  void give_up() noexcept { deadline_.store(0); }  // the next tick finds it late
  const std::string& address() const { return address_; }

 protected:
  using Done = std::function<void(error_code, size_t)>;
  virtual void handshake(Done done) = 0;
  virtual void read_some(asio::mutable_buffer into, Done done) = 0;
  virtual void write_some(asio::const_buffer from, Done done) = 0;
  virtual void shut_down_sending() = 0;
  virtual void close() = 0;
  virtual bool is_tls() const = 0;

 private:
  struct Counted {
    explicit Counted(std::shared_ptr<Shared> where) : shared(std::move(where)) {
      shared->census.enter();
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { shared->census.leave(); }
    const std::shared_ptr<Shared> shared;
  };
  const Counted counted_;  // first, so that it ends after all else

 protected:
  const Strand strand_;

 private:
  friend class Handle;
  enum class Phase : uint8_t { handshake, header, admitting, body, answering, lingering, closed };
  using Parser = beast::http::request_parser<beast::http::string_body>;

  // What throws in it, mostly for lack of memory, ends this connection and nothing else.
  template <class Work>
  void guarded(Work&& work) noexcept;
  void on_failure(const std::exception& exception) noexcept;

  void begin_request();
  void read();
  void on_read(error_code error, size_t n);
  void process();
  void parse_header();
  void parse_body();
  void on_header();
  void on_authorized(std::optional<HttpResponse> refusal, const Route* route);
  void dispatch(const Route& route);
  void refuse(int status, const std::string& message);
  void answer_now(HttpResponse response);
  void on_client_gone();

  // Of Handle, on the strand.
  void send(HttpResponse response);
  void begin_stream(HttpResponse head, std::string ping);
  void write_piece(std::string piece);
  void end_stream();

  std::string head_text(const HttpResponse& response, std::optional<size_t> length) const;
  void flush();
  void on_written(error_code error, size_t n);
  void complete();
  void linger();
  void shut();
  void log_answer() const;
  void abandon();
  void set_deadline(double seconds);

  const std::shared_ptr<Shared> shared_;
  const std::string address_;
  std::shared_ptr<void> seat_;

  Phase phase_ = Phase::handshake;
  // Reads go through `chunk_`: what is parsed may move while the next read is under way.
  static constexpr size_t kReadBytes = size_t{8} << 10;
  std::array<char, kReadBytes> chunk_;
  std::string buffer_;  // read and not parsed yet
  std::optional<Parser> parser_;
  bool is_first_ = true;  // no request has been read yet
  bool is_reading_ = false;
  bool client_has_ended_ = false;  // sent its last byte
  SteadyClock::time_point body_began_ = {};
  uint64_t body_bytes_ = 0;

  std::shared_ptr<HttpRequest> request_;
  std::shared_ptr<Exchange> exchange_;  // from the end of the headers to the end of the answer
  const Route* route_ = nullptr;
  HeaderList extra_headers_;
  bool is_head_only_ = false;
  bool keeps_alive_ = false;
  bool is_http_1_0_ = false;
  bool has_body_ = false;
  bool is_stream_ = false;
  bool is_over_ = false;      // the answer's last byte is in pending_
  bool is_answered_ = false;  // its first byte is in pending_, at least
  int status_ = 0;
  uint64_t sent_bytes_ = 0;
  SteadyClock::time_point began_ = {};

  std::string pending_;
  std::string in_flight_;
  size_t in_flight_offset_ = 0;
  bool is_writing_ = false;
  std::string ping_;
  SteadyClock::time_point last_write_ = {};

  std::atomic<SteadyClock::rep> deadline_;  // of what the phase waits for
  std::atomic<bool> wants_ticks_ = false;
};

// The Responder of one request, as the connection sees it.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  const std::shared_ptr<Connection> connection_;
  std::atomic<size_t> posted = 0;  // bytes on their way to the strand
  std::atomic<size_t> queued = 0;  // bytes that the strand holds
  // Strand.
  bool is_over = false;
  bool is_client_gone = false;
  std::function<void()> on_drain;
  std::function<void()> on_close;
  std::function<void()> on_tick;
  std::function<void()> on_stop;

  void finish() {
    is_over = true;
    on_drain = on_close = on_tick = on_stop = nullptr;
  }
  // Runs `work` on the strand unless the answer is over.
  template <class Work>
  void run(Work work) {
    connection_->post([self = shared_from_this(), work = std::move(work)]() mutable {
      if (!self->is_over) work(*self->connection_, *self);
    });
  }
};

std::shared_ptr<Connection> make_connection(std::shared_ptr<Shared> shared,
                                            asio::ip::tcp::socket socket, asio::ssl::context* tls,
                                            Strand strand, std::string address,
                                            std::shared_ptr<void> seat);

}  // namespace jiang::http
