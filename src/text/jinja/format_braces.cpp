// str.format: "{} {name[0].attr!r:>5}".
#include "text/jinja/format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_value.h"

#include <charconv>

namespace jiang::jinja {
namespace {

constexpr int kMaxSpecDepth = 2;

class BraceFormatter {
 public:
  BraceFormatter(Interpreter& interpreter, const CallArguments& arguments, bool markup)
      : interpreter_(interpreter),
        budget_(interpreter.budget()),
        arguments_(arguments),
        markup_(markup) {}

  Result<Text> format(const Text& text, int depth) {
    if (depth > kMaxSpecDepth) {
      return fail(ErrorKind::invalid_argument, "max string recursion exceeded");
    }
    const std::string_view bytes = text.bytes();
    TRY_STATUS(budget_.scan(bytes.size()));
    Text out;
    for (size_t i = 0; i < bytes.size();) {
      const size_t brace = std::min(bytes.find_first_of("{}", i), bytes.size());
      TRY_STATUS(budget_.append(out, text.slice(i, brace)));
      if (brace == bytes.size()) break;
      if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
        TRY_STATUS(budget_.append(out, text.slice(brace, brace + 1)));
        i = brace + 2;
        continue;
      }
      if (bytes[brace] == '}') {
        return fail(ErrorKind::invalid_argument, "single '}}' encountered in format string");
      }
      const size_t end = field_end(bytes, brace + 1);
      if (end == bytes.size()) {
        return fail(ErrorKind::invalid_argument, "expected '}}' before end of string");
      }
      TRY(const Text field, format_field(text.slice(brace + 1, end), depth));
      TRY_STATUS(budget_.append(out, field));
      i = end + 1;
    }
    return out;
  }

 private:
  // The "}" that closes the field which begins at `i`.
  static size_t field_end(std::string_view bytes, size_t i) {
    int open = 1;
    for (; i < bytes.size(); ++i) {
      if (bytes[i] == '{') ++open;
      if (bytes[i] == '}' && --open == 0) break;
    }
    return i;
  }

  Result<Text> format_field(const Text& field, int depth) {
    const std::string_view bytes = field.bytes();
    const size_t name_end = std::min(bytes.find_first_of("!:"), bytes.size());
    size_t i = name_end;
    char conversion = '\0';
    if (i < bytes.size() && bytes[i] == '!') {
      if (i + 1 >= bytes.size()) return bad("end of string while looking for conversion specifier");
      conversion = bytes[i + 1];
      i += 2;
      if (i < bytes.size() && bytes[i] != ':')
        return bad("expected ':' after conversion specifier");
    }
    TRY(Value value, resolve(bytes.substr(0, name_end)));
    Text specification;
    if (i < bytes.size()) {
      TRY(specification, format(field.slice(i + 1, bytes.size()), depth + 1));
    }
    if (conversion == 'r' || conversion == 'a') {
      TRY(Text text, to_repr(budget_, value));
      value = Value::string(std::move(text));
    } else if (conversion == 's') {
      TRY(Text text, to_text(budget_, value));
      value = Value::string(std::move(text), value.is_markup());
    } else if (conversion != '\0') {
      return bad("unknown conversion specifier");
    }
    TRY(Text text, format_value(budget_, value, specification.bytes()));
    if (!markup_) return text;
    TRY(const Value safe, escape(budget_, Value::string(std::move(text), value.is_markup())));
    return safe.text();
  }

  // first, then .attribute and [element] in any number.
  Result<Value> resolve(std::string_view name) {
    const size_t first_end = std::min(name.find_first_of(".["), name.size());
    TRY(Value value, argument(name.substr(0, first_end)));
    for (size_t i = first_end; i < name.size();) {
      TRY_STATUS(budget_.step());
      if (name[i] == '.') {
        const size_t end = std::min(name.find_first_of(".[", i + 1), name.size());
        if (end == i + 1) return bad("empty attribute in format string");
        TRY(value, interpreter_.get_attribute(value, name.substr(i + 1, end - i - 1)));
        i = end;
      } else if (name[i] == '[') {
        const size_t end = name.find(']', i);
        if (end == std::string_view::npos) return bad("missing ']' in format string");
        TRY(value, interpreter_.get_item(value, index(name.substr(i + 1, end - i - 1))));
        i = end + 1;
      } else {
        return bad("only '.' or '[' may follow ']' in format field specifier");
      }
    }
    return value;
  }

  static Value index(std::string_view text) {
    int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && number >= 0) {
      return Value::integer(number);
    }
    return Value::string(text, Origin::data);
  }

  Result<Value> argument(std::string_view name) {
    const Value number = index(name);
    if (name.empty() || number.is(Kind::integer)) {
      const bool automatic = name.empty();
      if ((automatic && manual_) || (!automatic && next_ > 0)) {
        return bad("automatic and manual field numbering cannot be mixed");
      }
      manual_ = manual_ || !automatic;
      const size_t i = automatic ? next_++ : static_cast<size_t>(number.as_int());
      if (i < arguments_.positional.size()) return arguments_.positional[i];
      return bad("replacement index out of range for positional args");
    }
    for (const auto& [key, value] : arguments_.keyword) {
      if (key == name) return value;
    }
    return fail(ErrorKind::invalid_argument, "KeyError: '{}'", name.substr(0, 100));
  }

  static Error bad(std::string_view what) {
    return fail(ErrorKind::invalid_argument, "format string: {}", what);
  }

  Interpreter& interpreter_;
  Budget& budget_;
  const CallArguments& arguments_;
  bool markup_;
  size_t next_ = 0;
  bool manual_ = false;
};

}  // namespace

Result<Value> format_braces(Interpreter& interpreter, const Value& format,
                            const CallArguments& arguments) {
  BraceFormatter formatter(interpreter, arguments, format.is_markup());
  TRY(Text text, formatter.format(format.text(), 0));
  return interpreter.budget().string(std::move(text), format.is_markup());
}

}  // namespace jiang::jinja
