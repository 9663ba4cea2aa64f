// Fields: one declaration per request body gives its parsing, its ranges, the names that exist and
// "did you mean" (decision: a near-miss of a known name is refused, a field that would change the
// answer and is not supported is refused, other unknown ones are listed in x-jiang-ignored).
//
//   struct EmbeddingBody {
//     std::string model;
//     Json input;
//     void fields(Fields& f) { f.text("model", model); f.json("input", input); }
//   };
//
// null counts as absent. The first error wins; it names the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_value.h"
#include "server/errors.h"
#include "server/http.h"

namespace jiang {

class Fields {
 public:
  // `object` outlives this. `where` prefixes names in errors: "stream_options.".
  explicit Fields(const Json& object, std::string where = {});

  void text(const char* name, std::string& out);
  void text(const char* name, std::optional<std::string>& out);
  void flag(const char* name, bool& out);
  void flag(const char* name, std::optional<bool>& out);
  void integer(const char* name, int64_t& out, int64_t low, int64_t high);
  void integer(const char* name, std::optional<int64_t>& out, int64_t low, int64_t high);
  void number(const char* name, std::optional<double>& out, double low, double high);
  void choice(const char* name, std::optional<std::string>& out,
              std::initializer_list<const char*> allowed);
  void json(const char* name, Json& out);  // of any type; null when absent
  void object(const char* name, Json& out);
  void list(const char* name, Json& out);
  // A string or a list of strings: none empty, at most `most`.
  void texts(const char* name, std::vector<std::string>& out, size_t most);

  // Known, harmless and without effect here: listed in x-jiang-ignored when given.
  void without_effect(const char* name);
  // Would change the answer and cannot be done: only null, false, an empty value or `neutral` pass.
  void unsupported(const char* name, const Json& neutral = {});

  void fail(const std::string& name, std::string message, std::string code = {});
  bool has_failed() const { return error_.has_value(); }

  // After all fields: looks at the names that are left. The error, if there is one.
  std::optional<ApiError> finish();
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  const Json* find(const char* name);
  std::optional<ApiError> error_;
  const Json& object_;
  const std::string where_;
  std::vector<std::string> known_;
  std::vector<std::string> ignored_;
};

// Limits of what a stranger may send as JSON.
inline constexpr int kMaxJsonDepth = 100;

std::optional<ApiError> parse_object(const HttpRequest& request, Json& out);
void add_ignored(const std::vector<std::string>& names, HeaderList& headers);

template <class Body>
std::optional<ApiError> read_fields(const Json& object, Body& out, std::string where = {},
                                    std::vector<std::string>* ignored = nullptr) {
  Fields fields(object, std::move(where));
  out.fields(fields);
  auto error = fields.finish();
  if (ignored != nullptr)
    ignored->insert(ignored->end(), fields.ignored().begin(), fields.ignored().end());
  return error;
}

// The request's body -> `out`, by its fields(). Names without effect go into `headers`.
template <class Body>
std::optional<ApiError> read_body(const HttpRequest& request, Body& out, HeaderList& headers) {
  Json object;
  if (auto error = parse_object(request, object)) return error;
  std::vector<std::string> ignored;
  if (auto error = read_fields(object, out, {}, &ignored)) return error;
  add_ignored(ignored, headers);
  return std::nullopt;
}

}  // namespace jiang
