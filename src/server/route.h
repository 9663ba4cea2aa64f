// Route: one row of the table of everything that the server answers. What is in no row is 404.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/access.h"
#include "server/http.h"

namespace jiang {

// In whose form errors are told.
enum class ApiDialect : uint8_t { openai, anthropic, ollama, jiang };

using Handler = std::function<void(const RequestPtr&, const ResponderPtr&)>;

struct Route {
  std::string method;   // GET answers HEAD, too
  std::string pattern;  // "/v1/models/{id}"; "{rest*}" at the end takes what is left, with slashes
  Access access = Access::denied;
  Handler handler;
  ApiDialect dialect = ApiDialect::openai;
  // A worker may wait: for a database, a template, a tokenizer. The I/O thread may not.
  enum class Where : uint8_t { worker, io_thread };
  Where where = Where::worker;
  // Asked on the I/O thread before the handler: an answer spares everything else. May not wait.
  std::function<std::optional<HttpResponse>(const HttpRequest&)> early = {};
};

// A handler whose answer is known when it returns.
Handler answer_with(std::function<HttpResponse(const HttpRequest&)> handler);

class RouteTable {
 public:
  // Two rows for the same method and pattern are a bug.
  explicit RouteTable(std::vector<Route> rows);

  struct Match {
    const Route* route = nullptr;  // null: no such path, or not this method
    std::vector<std::string> params = {};
    std::string allow = {};     // the methods that the path has; "": no such path
    bool is_malformed = false;  // a parameter that is not percent-encoded UTF-8
  };
  Match match(std::string_view method, std::string_view path) const;
  const std::vector<Route>& rows() const { return rows_; }

 private:
  std::vector<Route> rows_;
  std::vector<std::vector<std::string>> segments_;  // of each row's pattern
};

}  // namespace jiang
