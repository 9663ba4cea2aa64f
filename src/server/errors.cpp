#include "server/errors.h"

#include "base/json_value.h"

namespace jiang {
namespace {

const char* openai_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "invalid_request_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

const char* anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

void add_numbers(Json& object, const ApiError& error) {
  for (const auto& [name, number] : error.numbers) object[name] = number;
}

}  // namespace

ApiError api_error(const Error& error) {
  ApiError out{.message = error.message};
  switch (error.kind) {
    case ErrorKind::invalid_argument:
      out.status = 400;
      break;
    case ErrorKind::not_found:
      out.status = 404;
      break;
    case ErrorKind::unsupported:
      out.status = 400;
      out.code = "unsupported";
      break;
    case ErrorKind::too_large:
      out.status = 400;
      out.code = "too_large";
      break;
    case ErrorKind::cancelled:
      out.status = 503;
      out.code = "cancelled";
      break;
    case ErrorKind::bad_file:
    case ErrorKind::io:
    case ErrorKind::bad_numbers:
      out.status = 500;
      break;
  }
  return out;
}

ApiError bad_request(std::string message, std::string param, std::string code) {
  return {.status = 400,
          .message = std::move(message),
          .code = std::move(code),
          .param = std::move(param)};
}

ApiError context_overflow(const Error& error, int64_t prompt_tokens, int64_t context) {
  return {.status = 400,
          .message = error.message,
          .code = "context_length_exceeded",
          .param = "messages",
          .numbers = {{"n_prompt_tokens", prompt_tokens}, {"n_ctx", context}}};
}

std::string error_body(ApiDialect dialect, const ApiError& error) {
  Json body;
  switch (dialect) {
    case ApiDialect::openai: {
      Json inner = {{"message", error.message},
                    {"type", error.type.empty() ? openai_type(error.status) : error.type.c_str()},
                    {"param", or_null(error.param)},
                    {"code", or_null(error.code)}};
      add_numbers(inner, error);
      body = {{"error", std::move(inner)}};
      break;
    }
    case ApiDialect::anthropic: {
      Json inner = {{"type", anthropic_type(error.status)}, {"message", error.message}};
      add_numbers(inner, error);
      body = {{"type", "error"}, {"error", std::move(inner)}};
      break;
    }
    case ApiDialect::ollama:
      body = {{"error", error.message}};
      add_numbers(body, error);
      break;
    case ApiDialect::jiang: {
      Json inner = {{"message", error.message},
                    {"code", error.code.empty() ? openai_type(error.status) : error.code.c_str()},
                    {"param", or_null(error.param)}};
      add_numbers(inner, error);
      body = {{"error", std::move(inner)}};
      break;
    }
  }
  return to_string(body);
}

HttpResponse error_response(ApiDialect dialect, const ApiError& error) {
  HttpResponse response{.status = error.status, .body = error_body(dialect, error)};
  if (error.retry_after > 0)
    response.headers.emplace_back("retry-after", std::to_string(error.retry_after));
  if (error.status == 401) response.headers.emplace_back("www-authenticate", "Bearer");
  return response;
}

}  // namespace jiang
