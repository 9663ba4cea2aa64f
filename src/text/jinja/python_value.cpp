#include "text/jinja/python_value.h"

#include <algorithm>
#include <cmath>

#include "base/unicode.h"
#include "text/jinja/python_text.h"

namespace jiang::jinja {
namespace {

constexpr int kMaxValueDepth = 200;

Error too_deep() {
  return fail(ErrorKind::too_large, "a value of the template is nested deeper than {} levels",
              kMaxValueDepth);
}

// Text that belongs to no string: digits, brackets, None. The template chose to print it.
constexpr Origin kPunctuation = Origin::from_template;

std::string number_text(const Value& value) {
  switch (value.kind()) {
    case Kind::boolean:
      return value.as_bool() ? "True" : "False";
    case Kind::integer:
      return std::to_string(value.as_int());
    default:
      return format_real(value.as_real());
  }
}

void append_escape(std::string& out, char32_t c) {
  if (c < 0x100) {
    out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
  } else if (c < 0x10000) {
    out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  } else {
    out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
  }
}

Status append_string_repr(Budget& budget, Text& out, const Text& text) {
  TRY_STATUS(budget.scan(text.size()));
  const std::string& bytes = text.bytes();
  const bool double_quotes =
      bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos;
  const char quote = double_quotes ? '"' : '\'';
  TRY_STATUS(budget.append(out, std::string_view(&quote, 1), kPunctuation));
  Status status = ok();
  text.for_each_run([&](std::string_view run, Origin origin) {
    std::string escaped;
    for (size_t i = 0; i < run.size();) {
      const DecodedCodePoint decoded = decode_utf8(run.substr(i));
      const char32_t c = decoded.code_point;
      const std::string_view raw = run.substr(i, static_cast<size_t>(decoded.length));
      i += raw.size();
      if (c == static_cast<char32_t>(quote) || c == '\\') {
        escaped.push_back('\\');
        escaped.push_back(static_cast<char>(c));
      } else if (c == '\n') {
        escaped += "\\n";
      } else if (c == '\r') {
        escaped += "\\r";
      } else if (c == '\t') {
        escaped += "\\t";
      } else if (decoded.valid && !is_python_printable(c)) {
        append_escape(escaped, c);
      } else {
        escaped += raw;
      }
    }
    if (status) status = budget.append(out, escaped, origin);
  });
  TRY_STATUS(std::move(status));
  return budget.append(out, std::string_view(&quote, 1), kPunctuation);
}

Status append_repr(Budget& budget, Text& out, const Value& value, int depth);

Status append_items(Budget& budget, Text& out, const Values& items, int depth) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) TRY_STATUS(budget.append(out, ", ", kPunctuation));
    TRY_STATUS(append_repr(budget, out, items[i], depth + 1));
  }
  return ok();
}

Status append_entries(Budget& budget, Text& out, const DictObject& dict, int depth) {
  TRY_STATUS(budget.append(out, "{", kPunctuation));
  for (size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) TRY_STATUS(budget.append(out, ", ", kPunctuation));
    TRY_STATUS(append_repr(budget, out, dict.entries[i].first, depth + 1));
    TRY_STATUS(budget.append(out, ": ", kPunctuation));
    TRY_STATUS(append_repr(budget, out, dict.entries[i].second, depth + 1));
  }
  return budget.append(out, "}", kPunctuation);
}

Status append_bracketed(Budget& budget, Text& out, std::string_view open, const Values& items,
                        std::string_view close, int depth) {
  TRY_STATUS(budget.append(out, open, kPunctuation));
  TRY_STATUS(append_items(budget, out, items, depth));
  return budget.append(out, close, kPunctuation);
}

Status append_repr(Budget& budget, Text& out, const Value& value, int depth) {
  if (depth > kMaxValueDepth) return too_deep();
  TRY_STATUS(budget.step());
  switch (value.kind()) {
    case Kind::undefined:
      return budget.append(out, "Undefined", kPunctuation);
    case Kind::none:
      return budget.append(out, "None", kPunctuation);
    case Kind::boolean:
    case Kind::integer:
    case Kind::real:
      return budget.append(out, number_text(value), kPunctuation);
    case Kind::string:
      if (!value.is_markup()) return append_string_repr(budget, out, value.text());
      TRY_STATUS(budget.append(out, "Markup(", kPunctuation));
      TRY_STATUS(append_string_repr(budget, out, value.text()));
      return budget.append(out, ")", kPunctuation);
    case Kind::list:
      return append_bracketed(budget, out, "[", value.items(), "]", depth);
    case Kind::tuple:
      return append_bracketed(budget, out, "(", value.items(),
                              value.items().size() == 1 ? ",)" : ")", depth);
    case Kind::dict:
      return append_entries(budget, out, value.as<DictObject>(), depth);
    case Kind::range: {
      const auto& range = value.as<RangeObject>();
      return budget.append(
          out,
          range.step == 1 ? fmt::format("range({}, {})", range.start, range.stop)
                          : fmt::format("range({}, {}, {})", range.start, range.stop, range.step),
          kPunctuation);
    }
    case Kind::view: {
      const auto& view = value.as<ViewObject>();
      TRY_STATUS(budget.append(out, view.type_name, kPunctuation));
      return append_bracketed(budget, out, "([", view.items, "])", depth);
    }
    case Kind::name_space:
      TRY_STATUS(budget.append(out, "<Namespace ", kPunctuation));
      TRY_STATUS(append_entries(budget, out, value.as<NamespaceObject>(), depth));
      return budget.append(out, ">", kPunctuation);
    default:
      return budget.append(out, fmt::format("<{}>", type_name(value)), kPunctuation);
  }
}

Status append_json_string(Budget& budget, Text& out, const Text& text, bool ensure_ascii) {
  TRY_STATUS(budget.scan(text.size()));
  TRY_STATUS(budget.append(out, "\"", kPunctuation));
  Status status = ok();
  text.for_each_run([&](std::string_view run, Origin origin) {
    std::string escaped;
    for (size_t i = 0; i < run.size();) {
      const auto byte = static_cast<unsigned char>(run[i]);
      if (byte >= 0x80 && ensure_ascii) {
        const DecodedCodePoint decoded = decode_utf8(run.substr(i));
        char32_t c = decoded.code_point;
        i += static_cast<size_t>(decoded.length);
        if (c >= 0x10000) {  // UTF-16, as json.dumps does
          escaped += fmt::format("\\u{:04x}", 0xD800 + static_cast<uint32_t>((c - 0x10000) >> 10));
          c = 0xDC00 + ((c - 0x10000) & 0x3FF);
        }
        escaped += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
        continue;
      }
      ++i;
      switch (byte) {
        case '"':
          escaped += "\\\"";
          break;
        case '\\':
          escaped += "\\\\";
          break;
        case '\n':
          escaped += "\\n";
          break;
        case '\r':
          escaped += "\\r";
          break;
        case '\t':
          escaped += "\\t";
          break;
        case '\f':
          escaped += "\\f";
          break;
        case '\b':
          escaped += "\\b";
          break;
        default:
          if (byte < 0x20 || (byte == 0x7F && ensure_ascii)) {
            escaped += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
          } else {
            escaped.push_back(static_cast<char>(byte));
          }
      }
    }
    if (status) status = budget.append(out, escaped, origin);
  });
  TRY_STATUS(std::move(status));
  return budget.append(out, "\"", kPunctuation);
}

std::string json_number(const Value& value) {
  switch (value.kind()) {
    case Kind::boolean:
      return value.as_bool() ? "true" : "false";
    case Kind::integer:
      return std::to_string(value.as_int());
    default: {
      const double number = value.as_real();
      if (std::isnan(number)) return "NaN";
      if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
      return format_real(number);
    }
  }
}

class JsonWriter {
 public:
  JsonWriter(Budget& budget, Text& out, const JsonStyle& style)
      : budget_(budget), out_(out), style_(style) {}

  Status write(const Value& value, int depth) {
    if (depth > kMaxValueDepth) return too_deep();
    TRY_STATUS(budget_.step());
    switch (value.kind()) {
      case Kind::none:
        return put("null");
      case Kind::boolean:
      case Kind::integer:
      case Kind::real:
        return put(json_number(value));
      case Kind::string:
        return append_json_string(budget_, out_, value.text(), style_.ensure_ascii);
      case Kind::list:
      case Kind::tuple:
        return write_list(value.items(), depth);
      case Kind::dict:
        return write_dict(value.as<DictObject>(), depth);
      default:
        return fail(ErrorKind::invalid_argument, "object of type {} is not JSON serializable",
                    type_name(value));
    }
  }

 private:
  Status put(std::string_view text) { return budget_.append(out_, text, kPunctuation); }

  Status new_line(int depth) {
    if (!style_.indent) return ok();
    TRY_STATUS(put("\n"));
    for (int i = 0; i < depth; ++i) TRY_STATUS(put(*style_.indent));
    return ok();
  }

  Status write_list(const Values& items, int depth) {
    if (items.empty()) return put("[]");
    TRY_STATUS(put("["));
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) TRY_STATUS(put(style_.item_separator));
      TRY_STATUS(new_line(depth + 1));
      TRY_STATUS(write(items[i], depth + 1));
    }
    TRY_STATUS(new_line(depth));
    return put("]");
  }

  Status write_dict(const DictObject& dict, int depth) {
    if (dict.entries.empty()) return put("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) TRY_STATUS(sort(entries));
    TRY_STATUS(put("{"));
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) TRY_STATUS(put(style_.item_separator));
      TRY_STATUS(new_line(depth + 1));
      TRY_STATUS(write_key(entries[i]->first));
      TRY_STATUS(put(style_.key_separator));
      TRY_STATUS(write(entries[i]->second, depth + 1));
    }
    TRY_STATUS(new_line(depth));
    return put("}");
  }

  Status write_key(const Value& key) {
    if (key.is(Kind::string)) {
      return append_json_string(budget_, out_, key.text(), style_.ensure_ascii);
    }
    if (key.is(Kind::none)) return put("\"null\"");
    if (key.is_number()) return put("\"" + json_number(key) + "\"");
    return fail(ErrorKind::invalid_argument, "keys of JSON must be strings, not {}",
                type_name(key));
  }

  Status sort(std::vector<const std::pair<Value, Value>*>& entries) {
    Status status = ok();
    std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
      if (!status) return false;
      Result<bool> smaller = less(budget_, a->first, b->first);
      if (!smaller) {
        status = std::move(smaller).error();
        return false;
      }
      return *smaller;
    });
    return status;
  }

  Budget& budget_;
  Text& out_;
  const JsonStyle& style_;
};

// Exact: a 64-bit integer does not fit a double.
int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) {
    return a.as_int() < b.as_int() ? -1 : a.as_int() > b.as_int() ? 1 : 0;
  }
  const long double x = a.is_integral() ? static_cast<long double>(a.as_int()) : a.as_real();
  const long double y = b.is_integral() ? static_cast<long double>(b.as_int()) : b.as_real();
  if (std::isnan(x) || std::isnan(y)) return 2;
  return x < y ? -1 : x > y ? 1 : 0;
}

Result<bool> equal(Budget& budget, const Value& a, const Value& b, int depth) {
  if (depth > kMaxValueDepth) return too_deep();
  if (!budget.spend(1)) return budget.out_of_steps();
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::none:
      return true;
    case Kind::string:
      TRY_STATUS(budget.scan(std::min(a.bytes().size(), b.bytes().size())));
      return a.bytes() == b.bytes();
    case Kind::list:
    case Kind::tuple: {
      if (a.items().size() != b.items().size()) return false;
      for (size_t i = 0; i < a.items().size(); ++i) {
        TRY(const bool same, equal(budget, a.items()[i], b.items()[i], depth + 1));
        if (!same) return false;
      }
      return true;
    }
    case Kind::dict: {
      const auto& x = a.as<DictObject>();
      const auto& y = b.as<DictObject>();
      if (x.entries.size() != y.entries.size()) return false;
      for (const auto& [key, value] : x.entries) {
        const Value* other = y.find(key);
        if (!other) return false;
        TRY(const bool same, equal(budget, value, *other, depth + 1));
        if (!same) return false;
      }
      return true;
    }
    case Kind::range: {
      const auto& x = a.as<RangeObject>();
      const auto& y = b.as<RangeObject>();
      if (x.size() != y.size()) return false;
      if (x.size() == 0) return true;
      return x.start == y.start && (x.size() == 1 || x.step == y.step);
    }
    default:
      return a.identity() == b.identity();
  }
}

Result<bool> less(Budget& budget, const Value& a, const Value& b, int depth) {
  if (depth > kMaxValueDepth) return too_deep();
  if (!budget.spend(1)) return budget.out_of_steps();
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == -1;
  for (const Value* value : {&a, &b}) {
    if (value->is(Kind::undefined)) {
      return fail(ErrorKind::invalid_argument, "{}", value->undefined_message());
    }
  }
  if (a.is(Kind::string) && b.is(Kind::string)) {
    TRY_STATUS(budget.scan(std::min(a.bytes().size(), b.bytes().size())));
    return a.bytes() < b.bytes();  // UTF-8 sorts as its code points do
  }
  if (a.kind() == b.kind() && (a.is(Kind::list) || a.is(Kind::tuple))) {
    const Values& x = a.items();
    const Values& y = b.items();
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      TRY(const bool same, equal(budget, x[i], y[i], depth + 1));
      if (!same) return less(budget, x[i], y[i], depth + 1);
    }
    return x.size() < y.size();
  }
  return fail(ErrorKind::invalid_argument, "'<' not supported between instances of '{}' and '{}'",
              type_name(a), type_name(b));
}

}  // namespace

Status append_str(Budget& budget, Text& out, const Value& value) {
  if (value.is(Kind::string)) return budget.append(out, value.text());
  if (value.is(Kind::undefined)) return ok();
  return append_repr(budget, out, value, 0);
}

Result<Text> to_text(Budget& budget, const Value& value) {
  if (value.is(Kind::string)) return value.text();
  Text out;
  TRY_STATUS(append_str(budget, out, value));
  return out;
}

Result<Text> to_repr(Budget& budget, const Value& value) {
  Text out;
  TRY_STATUS(append_repr(budget, out, value, 0));
  return out;
}

Result<Text> to_json(Budget& budget, const Value& value, const JsonStyle& style) {
  Text out;
  TRY_STATUS(JsonWriter(budget, out, style).write(value, 0));
  return out;
}

Result<bool> equal(Budget& budget, const Value& a, const Value& b) {
  return equal(budget, a, b, 0);
}

Result<bool> less(Budget& budget, const Value& a, const Value& b) { return less(budget, a, b, 0); }

Result<bool> contains(Budget& budget, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::string:
      if (!item.is(Kind::string)) {
        return fail(ErrorKind::invalid_argument,
                    "'in <string>' requires string as left operand, not {}", type_name(item));
      }
      TRY_STATUS(budget.scan(container.bytes().size()));
      return container.bytes().find(item.bytes()) != std::string::npos;
    case Kind::dict: {
      if (!is_hashable(item)) {
        return fail(ErrorKind::invalid_argument, "unhashable type: '{}'", type_name(item));
      }
      TRY_STATUS(budget.step(1 + container.as<DictObject>().entries.size() / 16));
      return container.as<DictObject>().find(item) != nullptr;
    }
    case Kind::range:
    case Kind::undefined:
    case Kind::list:
    case Kind::tuple:
    case Kind::view:
    case Kind::generator: {
      TRY(const auto items, iterate(budget, container));
      for (const Value& candidate : *items) {
        TRY(const bool same, equal(budget, candidate, item));
        if (same) return true;
      }
      return false;
    }
    default:
      return fail(ErrorKind::invalid_argument, "argument of type '{}' is not iterable",
                  type_name(container));
  }
}

Result<int64_t> length(Budget& budget, const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
      return 0;
    case Kind::string:
      TRY_STATUS(budget.scan(value.bytes().size()));
      return static_cast<int64_t>(count_code_points(value.bytes()));
    case Kind::list:
    case Kind::tuple:
      return static_cast<int64_t>(value.items().size());
    case Kind::dict:
      return static_cast<int64_t>(value.as<DictObject>().entries.size());
    case Kind::range:
      return value.as<RangeObject>().size();
    case Kind::view:
      return static_cast<int64_t>(value.as<ViewObject>().items.size());
    default:
      return fail(ErrorKind::invalid_argument, "object of type '{}' has no len()",
                  type_name(value));
  }
}

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::list:
    case Kind::tuple:
    case Kind::dict:
    case Kind::range:
    case Kind::view:
    case Kind::generator:
    case Kind::loop:
      return true;
    default:
      return false;
  }
}

Result<std::shared_ptr<const Values>> iterate(Budget& budget, const Value& value) {
  using Shared = std::shared_ptr<const Values>;
  switch (value.kind()) {
    case Kind::undefined:
      return Shared(std::make_shared<Values>());
    case Kind::list:
    case Kind::tuple:
      return value.shared_items();
    case Kind::view:
      return Shared(std::make_shared<Values>(value.as<ViewObject>().items));
    case Kind::dict: {
      Values keys;
      const auto& entries = value.as<DictObject>().entries;
      TRY_STATUS(budget.reserve_items(entries.size()));
      for (const auto& entry : entries) keys.push_back(entry.first);
      return Shared(std::make_shared<Values>(std::move(keys)));
    }
    case Kind::generator: {
      auto& generator = value.as<GeneratorObject>();
      Values rest(generator.items.begin() + static_cast<ptrdiff_t>(generator.next),
                  generator.items.end());
      generator.next = generator.items.size();
      return Shared(std::make_shared<Values>(std::move(rest)));
    }
    case Kind::range: {
      const auto& range = value.as<RangeObject>();
      TRY_STATUS(budget.reserve_items(static_cast<size_t>(range.size())));
      Values numbers;
      for (int64_t i = 0; i < range.size(); ++i) numbers.push_back(Value::integer(range.at(i)));
      return Shared(std::make_shared<Values>(std::move(numbers)));
    }
    case Kind::string: {
      const Text& text = value.text();
      TRY_STATUS(budget.reserve_items(text.size()));
      Values characters;
      for (size_t i = 0; i < text.size();) {
        const auto length =
            static_cast<size_t>(decode_utf8(std::string_view(text.bytes()).substr(i)).length);
        TRY(Value character, budget.string(text.slice(i, i + length), value.is_markup()));
        characters.push_back(std::move(character));
        i += length;
      }
      return Shared(std::make_shared<Values>(std::move(characters)));
    }
    default:
      return fail(ErrorKind::invalid_argument, "'{}' object is not iterable", type_name(value));
  }
}

}  // namespace jiang::jinja
