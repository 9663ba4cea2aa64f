// Filters that make text: tojson, trim, replace, join's relatives, escaping.
#include <algorithm>

#include "base/unicode.h"
#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

constexpr int64_t kMaxIndent = 10'000;

// str(value), which stays marked safe if it is.
Result<Value> soft_string(Interpreter& in, const Value& value) {
  if (value.is(Kind::string)) return value;
  TRY(Text text, to_text(in.budget(), value));
  return in.budget().string(std::move(text));
}

template <CaseMap map>
Result<Value> change_case(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("this filter", arguments, {}));
  TRY(const Value text, soft_string(in, self));
  TRY_STATUS(in.budget().scan(text.bytes().size() * 4));
  return in.budget().string(map_case(text.text(), map), text.is_markup());
}

// Unlike str.title: a word begins after white space, - ( { [ or <, not after an apostrophe.
Result<Value> title(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("title", arguments, {}));
  TRY(const Value value, soft_string(in, self));
  const Text& text = value.text();
  const std::string_view bytes = text.bytes();
  TRY_STATUS(in.budget().scan(bytes.size() * 8));
  Text out;
  bool at_start = true;
  for (size_t i = 0; i < bytes.size();) {
    const DecodedCodePoint decoded = decode_utf8(bytes.substr(i));
    const size_t end = i + static_cast<size_t>(decoded.length);
    const Text character = text.slice(i, end);
    TRY_STATUS(
        in.budget().append(out, map_case(character, at_start ? CaseMap::upper : CaseMap::lower)));
    const char32_t c = decoded.code_point;
    at_start = is_python_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    i = end;
  }
  return in.budget().string(std::move(out), value.is_markup());
}

Result<Value> trim(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("trim", arguments, {"chars"}));
  TRY(const Value value, soft_string(in, self));
  std::optional<std::string_view> chars;
  if (is_given(args[0])) {
    if (!args[0]->is(Kind::string)) {
      return fail(ErrorKind::invalid_argument, "trim: expected a string, not {}",
                  type_name(*args[0]));
    }
    chars = args[0]->bytes();
    TRY_STATUS(in.budget().step(1 + chars->size() * value.bytes().size() / 1024));
  }
  TRY_STATUS(in.budget().scan(value.bytes().size()));
  const ByteSpan span = strip(value.bytes(), Side::both, chars);
  return in.budget().string(value.text().slice(span.begin, span.end), value.is_markup());
}

Result<Value> replace(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("replace", arguments, {"old", "new", "count"}, 2));
  int64_t limit = -1;
  if (is_given(args[2])) {
    TRY(limit, int_argument("replace", args[2], -1));
  }
  TRY(const Text text, to_text(in.budget(), self));
  TRY(const Text old, to_text(in.budget(), *args[0]));
  TRY(const Text with, to_text(in.budget(), *args[1]));
  TRY(Text out, replace_text(in.budget(), text, old.bytes(), with, limit));
  return in.budget().string(std::move(out));
}

Result<Value> center(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("center", arguments, {"width"}));
  TRY(const Value text, soft_string(in, self));
  TRY(const int64_t width, int_argument("center", args[0], 80));
  return center_text(in.budget(), text, width, Text(" ", Origin::from_template), Align::center);
}

Result<Value> indent(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("indent", arguments, {"width", "first", "blank"}));
  if (!self.is(Kind::string)) {
    return fail(ErrorKind::invalid_argument, "indent: expected a string, not {}", type_name(self));
  }
  Text indention;
  if (args[0] && args[0]->is(Kind::string)) {
    indention = args[0]->text();
  } else {
    TRY(const int64_t width, int_argument("indent", args[0], 4));
    if (width > kMaxIndent) return fail(ErrorKind::too_large, "indent: {} is too wide", width);
    indention = Text(std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' '),
                     Origin::from_template);
  }
  const bool blank = bool_argument(args[2], false);
  const Text& text = self.text();
  TRY_STATUS(in.budget().scan(text.size() * 4));
  // jinja2 appends a newline first: text that ends with one has an empty last line.
  std::vector<ByteSpan> lines = split_lines(text.bytes(), false);
  const bool ends_line =
      !text.empty() && split_lines(text.bytes().substr(text.size() - 1), false).front().end == 0;
  if (text.empty() || ends_line) lines.push_back({text.size(), text.size()});
  Text out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) TRY_STATUS(in.budget().append(out, "\n", Origin::from_template));
    const bool is_blank = lines[i].begin == lines[i].end;
    const bool indented = i == 0 ? bool_argument(args[1], false) : blank || !is_blank;
    if (indented) TRY_STATUS(in.budget().append(out, indention));
    TRY_STATUS(in.budget().append(out, text.slice(lines[i].begin, lines[i].end)));
  }
  return in.budget().string(std::move(out), self.is_markup());
}

Result<Value> truncate(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("truncate", arguments, {"length", "killwords", "end", "leeway"}));
  if (!self.is(Kind::string)) {
    return fail(ErrorKind::invalid_argument, "truncate: expected a string, not {}",
                type_name(self));
  }
  TRY(const int64_t length, int_argument("truncate", args[0], 255));
  int64_t leeway = 5;
  if (is_given(args[3])) {
    TRY(leeway, int_argument("truncate", args[3], 5));
  }
  const Value end = args[2] ? *args[2] : Value::string("...", Origin::from_template);
  if (!end.is(Kind::string)) return fail(ErrorKind::invalid_argument, "truncate: end is no string");
  const auto end_size = static_cast<int64_t>(count_code_points(end.bytes()));
  if (length < end_size || leeway < 0 || length > INT32_MAX || leeway > INT32_MAX) {
    return fail(ErrorKind::invalid_argument, "truncate: expected length >= {}, got {}", end_size,
                length);
  }
  TRY_STATUS(in.budget().scan(self.bytes().size()));
  const std::string_view bytes = self.bytes();
  if (static_cast<int64_t>(count_code_points(bytes)) <= length + leeway) return self;
  size_t cut = byte_offset(bytes, static_cast<size_t>(length - end_size));
  if (!bool_argument(args[1], false)) {
    const size_t space = bytes.substr(0, cut).rfind(' ');
    if (space != std::string_view::npos) cut = space;
  }
  Text out = self.text().slice(0, cut);
  out.append(end.text());
  return in.budget().string(std::move(out), self.is_markup());
}

Result<Value> wordcount(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("wordcount", arguments, {}));
  TRY(const Text text, to_text(in.budget(), self));
  TRY_STATUS(in.budget().scan(text.size() * 4));
  const std::string_view bytes = text.bytes();
  int64_t words = 0;
  bool inside = false;
  for (size_t i = 0; i < bytes.size();) {
    const DecodedCodePoint decoded = decode_utf8(bytes.substr(i));
    const char32_t c = decoded.code_point;
    const bool word = c == '_' || is_letter(c) || is_number(c);
    words += word && !inside;
    inside = word;
    i += static_cast<size_t>(decoded.length);
  }
  return Value::integer(words);
}

Result<Value> to_string_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("string", arguments, {}));
  return soft_string(in, self);
}

Result<Value> safe(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("safe", arguments, {}));
  if (self.is_markup()) return self;
  TRY(Text text, to_text(in.budget(), self));
  return in.budget().string(std::move(text), /*markup=*/true);
}

Result<Value> escape_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("escape", arguments, {}));
  return escape(in.budget(), self);
}

Result<Value> force_escape(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("forceescape", arguments, {}));
  TRY(Text text, to_text(in.budget(), self));
  return escape(in.budget(), Value::string(std::move(text)));
}

// A character reference at the front of `text`: its length, and what it stands for.
size_t unescape_reference(std::string_view text, std::string& out) {
  constexpr std::pair<std::string_view, std::string_view> kNamed[] = {
      {"&amp;", "&"},   {"&lt;", "<"},   {"&gt;", ">"},
      {"&quot;", "\""}, {"&apos;", "'"}, {"&nbsp;", "\xC2\xA0"}};
  for (const auto& [name, character] : kNamed) {
    if (text.starts_with(name)) {
      out += character;
      return name.size();
    }
  }
  if (!text.starts_with("&#")) return 0;
  const bool hex = text.size() > 2 && (text[2] | 0x20) == 'x';
  size_t i = hex ? 3 : 2;
  const size_t begin = i;
  uint32_t value = 0;
  for (; i < text.size() && i < begin + 7; ++i) {
    const char c = static_cast<char>(text[i] | 0x20);
    const int digit = text[i] >= '0' && text[i] <= '9' ? text[i] - '0'
                      : hex && c >= 'a' && c <= 'f'    ? c - 'a' + 10
                                                       : -1;
    if (digit < 0) break;
    value = value * (hex ? 16 : 10) + static_cast<uint32_t>(digit);
  }
  if (i == begin) return 0;
  append_utf8(out, value == 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)
                       ? kReplacementCharacter
                       : static_cast<char32_t>(value));
  return i < text.size() && text[i] == ';' ? i + 1 : i;
}

Text remove_between(const Text& text, std::string_view open, std::string_view close) {
  const std::string_view bytes = text.bytes();
  Text out;
  size_t begin = 0;
  while (true) {
    const size_t start = bytes.find(open, begin);
    const size_t end =
        start == std::string_view::npos ? start : bytes.find(close, start + open.size());
    if (end == std::string_view::npos) break;
    out.append_slice(text, begin, start);
    begin = end + close.size();
  }
  out.append_slice(text, begin, bytes.size());
  return out;
}

Result<Value> striptags(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("striptags", arguments, {}));
  TRY(Text text, to_text(in.budget(), self));
  TRY_STATUS(in.budget().scan(text.size() * 8));
  text = remove_between(remove_between(text, "<!--", "-->"), "<", ">");
  Text joined;
  for (const ByteSpan& word : split(text.bytes(), {}, -1)) {
    if (!joined.empty()) joined.append(" ", Origin::data);
    joined.append_slice(text, word.begin, word.end);
  }
  Text out;
  const std::string_view bytes = joined.bytes();
  for (size_t i = 0; i < bytes.size();) {
    std::string character;
    const size_t length = bytes[i] == '&' ? unescape_reference(bytes.substr(i), character) : 0;
    if (length > 0) {
      out.append(character, Origin::data);
      i += length;
      continue;
    }
    const size_t next = std::min(bytes.find('&', i + 1), bytes.size());
    out.append_slice(joined, i, next);
    i = next;
  }
  return in.budget().string(std::move(out));
}

std::string quote_url(std::string_view text, bool for_query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !for_query);
    if (plain) {
      out.push_back(c);
    } else if (c == ' ' && for_query) {
      out.push_back('+');
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

Result<Value> urlencode(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("urlencode", arguments, {}));
  if (self.is(Kind::string) || !is_iterable(self)) {
    TRY(const Text text, to_text(in.budget(), self));
    TRY_STATUS(in.budget().check_size(text.size()));
    TRY_STATUS(in.budget().scan(text.size()));
    return in.budget().string(Text(quote_url(text.bytes(), false), Origin::data));
  }
  Values pairs;
  if (self.is(Kind::dict)) {
    for (const auto& [key, value] : self.as<DictObject>().entries) {
      pairs.push_back(Value::tuple({key, value}));
    }
  } else {
    TRY(const auto items, iterate(in.budget(), self));
    pairs = *items;
  }
  Text out;
  for (const Value& pair : pairs) {
    TRY(const auto parts, iterate(in.budget(), pair));
    if (parts->size() != 2) {
      return fail(ErrorKind::invalid_argument, "urlencode: expected pairs of two values");
    }
    TRY(const Text key, to_text(in.budget(), (*parts)[0]));
    TRY(const Text value, to_text(in.budget(), (*parts)[1]));
    TRY_STATUS(in.budget().scan(key.size() + value.size()));
    TRY_STATUS(in.budget().append(out,
                                  (out.empty() ? "" : "&") + quote_url(key.bytes(), true) + "=" +
                                      quote_url(value.bytes(), true),
                                  Origin::data));
  }
  return in.budget().string(std::move(out));
}

Result<Value> xmlattr(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("xmlattr", arguments, {"autospace"}));
  if (!self.is(Kind::dict)) {
    return fail(ErrorKind::invalid_argument, "xmlattr: expected a mapping, not {}",
                type_name(self));
  }
  Text out;
  for (const auto& [key, value] : self.as<DictObject>().entries) {
    if (value.is(Kind::none) || value.is(Kind::undefined)) continue;
    TRY(const Value name, escape(in.budget(), key));
    if (name.bytes().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      return fail(ErrorKind::invalid_argument, "invalid character in attribute name: '{}'",
                  name.bytes());
    }
    TRY(const Value text, escape(in.budget(), value));
    if (!out.empty() || bool_argument(args[0], true)) out.append(" ", Origin::from_template);
    TRY_STATUS(in.budget().append(out, name.text()));
    out.append("=\"", Origin::from_template);
    TRY_STATUS(in.budget().append(out, text.text()));
    out.append("\"", Origin::from_template);
  }
  return in.budget().string(std::move(out));
}

Result<Value> format_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keyword.empty()) {
    return fail(ErrorKind::invalid_argument,
                "format takes positional or keyword arguments, not both");
  }
  TRY(const Value text, soft_string(in, self));
  if (arguments.keyword.empty()) {
    return format_percent(in.budget(), text, Value::tuple(arguments.positional));
  }
  auto dict = std::make_shared<DictObject>();
  for (const auto& [name, value] : arguments.keyword) {
    dict->set(Value::string(name, Origin::data), value);
  }
  return format_percent(in.budget(), text, Value::object(Kind::dict, std::move(dict)));
}

// transformers' tojson: json.dumps, without jinja2's HTML escapes.
Result<Value> tojson(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args,
      bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensure_ascii = bool_argument(args[0], false);
  style.sort_keys = bool_argument(args[3], false);
  if (is_given(args[1])) {
    if (args[1]->is(Kind::string)) {
      style.indent = args[1]->bytes();
    } else {
      TRY(const int64_t width, int_argument("tojson", args[1], 0));
      if (width > kMaxIndent)
        return fail(ErrorKind::too_large, "tojson: indent {} is too wide", width);
      style.indent = std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    }
    style.item_separator = ",";
  }
  if (is_given(args[2])) {
    TRY(const auto parts, iterate(in.budget(), *args[2]));
    if (parts->size() != 2 || !(*parts)[0].is(Kind::string) || !(*parts)[1].is(Kind::string)) {
      return fail(ErrorKind::invalid_argument, "tojson: separators must be two strings");
    }
    style.item_separator = (*parts)[0].bytes();
    style.key_separator = (*parts)[1].bytes();
  }
  TRY(Text text, to_json(in.budget(), self, style));
  return in.budget().string(std::move(text));
}

constexpr FilterRow kTextFilters[] = {
    {"capitalize", change_case<CaseMap::capitalize>},
    {"center", center},
    {"e", escape_filter},
    {"escape", escape_filter},
    {"forceescape", force_escape},
    {"format", format_filter},
    {"indent", indent},
    {"lower", change_case<CaseMap::lower>},
    {"replace", replace},
    {"safe", safe},
    {"string", to_string_filter},
    {"striptags", striptags},
    {"title", title},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", change_case<CaseMap::upper>},
    {"urlencode", urlencode},
    {"wordcount", wordcount},
    {"xmlattr", xmlattr},
};

}  // namespace

std::span<const FilterRow> text_filters() { return kTextFilters; }

}  // namespace jiang::jinja
