// The two kinds of connection: a TCP socket, and TLS over one.
#include <boost/asio/ssl/context.hpp>

#include "server/connection.h"

namespace jiang::http {
namespace {

using asio::ip::tcp;

void close_socket(tcp::socket& socket) {
  error_code ignored;
  socket.shutdown(tcp::socket::shutdown_both, ignored);
  socket.close(ignored);
}

class PlainConnection final : public Connection {
 public:
  PlainConnection(std::shared_ptr<Shared> shared, tcp::socket socket, Strand strand,
                  std::string address, std::shared_ptr<void> seat)
      : Connection(std::move(shared), std::move(strand), std::move(address), std::move(seat)),
        socket_(std::move(socket)) {}

 private:
  void handshake(Done done) override { done({}, 0); }
  void read_some(asio::mutable_buffer into, Done done) override {
    socket_.async_read_some(into, asio::bind_executor(strand_, std::move(done)));
  }
  void write_some(asio::const_buffer from, Done done) override {
    socket_.async_write_some(from, asio::bind_executor(strand_, std::move(done)));
  }
  void shut_down_sending() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override { close_socket(socket_); }
  bool is_tls() const override { return false; }

  tcp::socket socket_;
};

class TlsConnection final : public Connection {
 public:
  TlsConnection(std::shared_ptr<Shared> shared, tcp::socket socket, asio::ssl::context& context,
                Strand strand, std::string address, std::shared_ptr<void> seat)
      : Connection(std::move(shared), std::move(strand), std::move(address), std::move(seat)),
        stream_(std::move(socket), context) {}

 private:
  void handshake(Done done) override {
    stream_.async_handshake(
        asio::ssl::stream_base::server,
        asio::bind_executor(strand_,
                            [done = std::move(done)](error_code error) { done(error, 0); }));
  }
  void read_some(asio::mutable_buffer into, Done done) override {
    stream_.async_read_some(into, asio::bind_executor(strand_, std::move(done)));
  }
  void write_some(asio::const_buffer from, Done done) override {
    stream_.async_write_some(from, asio::bind_executor(strand_, std::move(done)));
  }
  // A TLS goodbye would need a further write; every answer of ours says where it ends.
  void shut_down_sending() override {
    error_code ignored;
    stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override { close_socket(stream_.next_layer()); }
  bool is_tls() const override { return true; }

  asio::ssl::stream<tcp::socket> stream_;
};

}  // namespace

std::shared_ptr<Connection> make_connection(std::shared_ptr<Shared> shared, tcp::socket socket,
                                            asio::ssl::context* tls, Strand strand,
                                            std::string address, std::shared_ptr<void> seat) {
  if (tls != nullptr) {
    return std::make_shared<TlsConnection>(std::move(shared), std::move(socket), *tls,
                                           std::move(strand), std::move(address), std::move(seat));
  }
  return std::make_shared<PlainConnection>(std::move(shared), std::move(socket), std::move(strand),
                                           std::move(address), std::move(seat));
}

}  // namespace jiang::http
