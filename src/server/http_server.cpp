#include "server/http_server.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "server/connection.h"

namespace jiang {
namespace http {
namespace {

using asio::ip::tcp;

// "::ffff:10.0.0.1" -> "10.0.0.1"
std::string plain_address(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

class Server final : public HttpServer {
 public:
  Server(HttpServerOptions options, Gate gate, Authenticator& authenticator, WorkerPool& workers)
      : shared_(
            std::make_shared<Shared>(std::move(options), std::move(gate), authenticator, workers)),
        acceptor_(io_),
        ticker_(io_),
        accept_pause_(io_) {}
  ~Server() override;

  Status open();
  uint16_t port() const override { return port_; }
  HttpCounters counters() const override;
  void stop(double grace_seconds, double last_seconds) override;

 private:
  Status use_tls();
  void run();
  void resume();
  void accept();
  void accept_later();
  void take(tcp::socket socket);
  void tick();
  template <class Start>
  void arm(std::atomic<bool>& is_armed, Start&& start);
  std::vector<std::shared_ptr<Connection>> connections() const;
  // False: time is up.
  bool wait_until_empty(double seconds);

  // A connection's place among those that are counted.
  struct Seat {
    Seat(Server& of, std::string peer) : server(of), address(std::move(peer)) {}
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat() {
      if (is_taken) server.leave(*this);
    }
    Server& server;
    const std::string address;
    bool is_taken = false;
    uint64_t id = 0;
  };
  bool enter(Seat& seat);  // false: the house is full
  void leave(const Seat& seat);

  const std::shared_ptr<Shared> shared_;

  mutable std::mutex mutex_;
  std::condition_variable gone_;
  std::unordered_map<uint64_t, std::weak_ptr<Connection>> connections_;
  std::map<std::string, int32_t, std::less<>> per_address_;
  int32_t n_alive_ = 0;
  uint64_t next_id_ = 0;
  uint64_t n_refused_ = 0;

  // Below what dying connections still use.
  asio::io_context io_;
  tcp::acceptor acceptor_;
  asio::steady_timer ticker_;
  asio::steady_timer accept_pause_;
  std::unique_ptr<asio::ssl::context> tls_;
  uint16_t port_ = 0;
  int spare_descriptor_ = -1;  // given up to answer when there are no others
  std::atomic<bool> is_accepting_ = true;
  std::atomic<bool> is_ticking_ = true;

  std::vector<std::thread> threads_;
};

Status Server::use_tls() {
  const HttpServerOptions& options = shared_->options;
  if (options.certificate.empty() != options.private_key.empty())
    return fail(ErrorKind::invalid_argument, "TLS needs both --cert and --key");
  if (options.certificate.empty()) return ok();
  tls_ = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  tls_->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                    asio::ssl::context::no_tlsv1_1);
  SSL_CTX_set_mode(tls_->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  error_code error;
  tls_->use_certificate_chain_file(options.certificate, error);
  if (error)
    return fail(ErrorKind::bad_file, "--cert {}: {}", options.certificate, error.message());
  tls_->use_private_key_file(options.private_key, asio::ssl::context::pem, error);
  if (error) return fail(ErrorKind::bad_file, "--key {}: {}", options.private_key, error.message());
  return ok();
}

Status Server::open() {
  TRY_STATUS(use_tls());
  const HttpServerOptions& options = shared_->options;
  error_code error;
  tcp::resolver resolver(io_);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return fail(ErrorKind::invalid_argument, "--host {}: {}", options.host,
                error ? error.message() : "no such address");
  }
  const tcp::endpoint endpoint = *found.begin();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const bool is_taken = error == asio::error::address_in_use;
    return fail(ErrorKind::io, "cannot listen on {}:{}: {}{}", options.host, options.port,
                error.message(),
                is_taken ? "; another program has this port, choose one with --port (0: any)" : "");
  }
  port_ = acceptor_.local_endpoint(error).port();
  spare_descriptor_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  accept();
  tick();
  for (int i = 0; i < options.io_threads; ++i) threads_.emplace_back([this] { run(); });
  return ok();
}

void Server::run() {
  pthread_setname_np(pthread_self(), "jiang-http");
  while (true) {
    try {
      resume();
      io_.run();
      return;
    } catch (const std::exception& exception) {  // for lack of memory, mostly
      shared_->report(exception);
    }
  }
}

// What must always be under way begins anew if it could not be begun.
void Server::resume() {
  if (!is_accepting_.exchange(true)) accept();
  if (!is_ticking_.exchange(true)) tick();
}

template <class Start>
void Server::arm(std::atomic<bool>& is_armed, Start&& start) {
  try {
    start();
  } catch (...) {
    is_armed.store(false);
    throw;
  }
}

void Server::accept() {
  arm(is_accepting_, [this] {
    acceptor_.async_accept(io_, [this](const error_code& error, tcp::socket socket) {
      if (shared_->is_stopping.load() || error == asio::error::operation_aborted) return;
      if (error) return accept_later();
      try {
        take(std::move(socket));
      } catch (const std::exception& exception) {  // that one is not served
        shared_->report(exception);
      }
      accept();
    });
  });
}

// Most likely no descriptors are left: one caller is shed rather than let all of them wait, and
// nobody spins.
void Server::accept_later() {
  if (spare_descriptor_ >= 0) {
    ::close(spare_descriptor_);
    const int client = ::accept(acceptor_.native_handle(), nullptr, nullptr);
    if (client >= 0) ::close(client);
    spare_descriptor_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  arm(is_accepting_, [this] {
    accept_pause_.expires_after(std::chrono::milliseconds(100));
    accept_pause_.async_wait([this](const error_code& ended) {
      if (!ended) accept();
    });
  });
}

bool Server::enter(Seat& seat) {
  const std::lock_guard lock(mutex_);
  const auto [same, is_new] = per_address_.try_emplace(seat.address, 0);
  if (n_alive_ >= shared_->options.max_connections ||
      (same->second >= shared_->options.max_connections_per_address &&
       !shared_->gate.is_trusted(seat.address))) {
    ++n_refused_;
    if (is_new) per_address_.erase(same);
    return false;
  }
  ++same->second;
  ++n_alive_;
  seat.id = next_id_++;
  seat.is_taken = true;
  return true;
}

void Server::leave(const Seat& seat) {
  const std::lock_guard lock(mutex_);
  connections_.erase(seat.id);
  const auto same = per_address_.find(seat.address);
  if (--same->second == 0) per_address_.erase(same);
  if (--n_alive_ == 0) gone_.notify_all();
}

void Server::take(tcp::socket socket) {
  error_code ignored;
  const auto peer = socket.remote_endpoint(ignored);
  const auto seat = std::make_shared<Seat>(*this, plain_address(peer.address()));
  if (!enter(*seat)) {
    static constexpr char kBusy[] =
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\n"
        "connection: close\r\n\r\n";
    socket.non_blocking(true, ignored);
    if (!tls_) socket.write_some(asio::buffer(kBusy, sizeof kBusy - 1), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    socket.close(ignored);
    return;
  }
  socket.set_option(tcp::no_delay(true), ignored);
  const auto connection =
      make_connection(shared_, std::move(socket), tls_.get(), Strand(io_), seat->address, seat);
  {
    const std::lock_guard lock(mutex_);
    connections_[seat->id] = connection;
  }
  connection->start();
}

std::vector<std::shared_ptr<Connection>> Server::connections() const {
  std::vector<std::shared_ptr<Connection>> alive;
  const std::lock_guard lock(mutex_);
  alive.reserve(connections_.size());
  for (const auto& [id, weak] : connections_) {
    if (auto connection = weak.lock()) alive.push_back(std::move(connection));
  }
  return alive;
}

void Server::tick() {
  arm(is_ticking_, [this] {
    ticker_.expires_after(std::chrono::seconds(1));
    ticker_.async_wait([this](const error_code& ended) {
      if (ended) return;
      try {
        const auto now = SteadyClock::now();
        for (const auto& connection : connections()) connection->tick(now);
      } catch (const std::exception& exception) {  // a second later there may be memory
        shared_->report(exception);
      }
      tick();
    });
  });
}

HttpCounters Server::counters() const {
  const std::lock_guard lock(mutex_);
  return {.connections = n_alive_,
          .accepted = next_id_,
          .refused_connections = n_refused_,
          .requests = shared_->n_requests.load()};
}

bool Server::wait_until_empty(double seconds) {
  std::unique_lock lock(mutex_);
  return gone_.wait_for(lock, std::chrono::duration<double>(seconds),
                        [this] { return n_alive_ == 0; });
}

void Server::stop(double grace_seconds, double last_seconds) {
  if (shared_->is_stopping.exchange(true)) return;
  asio::post(io_, [this] {
    error_code ignored;
    acceptor_.close(ignored);
    accept_pause_.cancel();
  });
  for (const auto& connection : connections()) connection->stop_when_idle();
  if (wait_until_empty(grace_seconds)) return;
  shared_->is_ending_streams.store(true);
  for (const auto& connection : connections()) connection->end_streams();
  if (wait_until_empty(last_seconds)) return;
  for (const auto& connection : connections()) connection->abort();
  wait_until_empty(1);
}

Server::~Server() {
  stop(0, 0);
  shared_->census.wait_for_none(1);
  io_.stop();
  for (std::thread& thread : threads_) thread.join();
  if (spare_descriptor_ >= 0) ::close(spare_descriptor_);
}

}  // namespace
}  // namespace http

Result<std::unique_ptr<HttpServer>> HttpServer::create(HttpServerOptions options, Gate gate,
                                                       Authenticator& authenticator,
                                                       WorkerPool& workers) {
  auto server =
      std::make_unique<http::Server>(std::move(options), std::move(gate), authenticator, workers);
  TRY_STATUS(server->open());
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace jiang
