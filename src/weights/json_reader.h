// JsonReader: base of the handlers that read large flat JSON files value by value. A value tree
// (base/json.h) would take time quadratic in the members of an object, and memory before any check.
#pragma once

#include <string>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"

namespace jiang {

// Handlers override what they expect; everything else is refused. A handler returns
// refuse("...") to stop.
class JsonReader : public nlohmann::json_sax<Json> {
 public:
  Status read(std::string_view text, std::string_view where) {
    // nlohmann takes a NUL for the end of the text.
    if (text.find('\0') != std::string_view::npos) {
      return fail(ErrorKind::bad_file, "{}: not valid JSON: a NUL at byte {}", where,
                  text.find('\0'));
    }
    if (Json::sax_parse(text.begin(), text.end(), this)) return ok();
    return fail(ErrorKind::bad_file, "{}: {}", where, problem_);
  }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a bool"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_unsigned(number_unsigned_t) override { return unexpected("a number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a fraction"); }
  bool string(string_t&) override { return unexpected("a string"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool start_array(std::size_t) override { return unexpected("a list"); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // nlohmann's text begins "[json.exception.parse_error.101] parse error at line ...: "
    const std::string_view text = error.what();
    const size_t bracket = text.find("] ");
    problem_ = fmt::format("not valid JSON at byte {}: {}", position,
                           bracket == std::string_view::npos ? text : text.substr(bracket + 2));
    return false;
  }

 protected:
  bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  virtual bool unexpected(std::string_view what) = 0;

 private:
  std::string problem_;
};

// For messages: a name from a file, shortened, with nothing that a terminal would act on.
inline std::string printable(std::string_view name) {
  std::string text(name.substr(0, 80));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return name.size() > 80 ? text + "..." : text;
}

}  // namespace jiang
