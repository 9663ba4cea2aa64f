// Errors as each dialect tells them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "server/http.h"
#include "server/route.h"

namespace jiang {

struct ApiError {
  int status = 400;
  std::string message = {};
  std::string type = {};                                      // "": the usual one of the status
  std::string code = {};                                      // a stable word; "": none
  std::string param = {};                                     // the field; "": none
  int retry_after = 0;                                        // seconds; 0: no such header
  std::vector<std::pair<std::string, int64_t>> numbers = {};  // further members of the error
};

// What went wrong with a request or a model, by its kind. Of bugs the client learns no detail.
ApiError api_error(const Error& error);
ApiError bad_request(std::string message, std::string param = {}, std::string code = {});
// A prompt that is longer than the context, with both numbers.
ApiError context_overflow(const Error& error, int64_t prompt_tokens, int64_t context);

HttpResponse error_response(ApiDialect dialect, const ApiError& error);
// The JSON of error_response, for the middle of a stream.
std::string error_body(ApiDialect dialect, const ApiError& error);

}  // namespace jiang
