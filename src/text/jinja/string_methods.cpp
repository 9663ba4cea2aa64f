// The methods of str. Positions are code points; results keep track of where each byte came from.
#include "text/jinja/format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

constexpr int64_t kMaxPadding = int64_t{1} << 24;

Result<std::string_view> text_argument(std::string_view method, const Value* value) {
  if (value && value->is(Kind::string)) return std::string_view(value->bytes());
  return fail(ErrorKind::invalid_argument, "{}: expected a string, not {}", method,
              value ? type_name(*value) : "nothing");
}

Result<Value> make(Interpreter& in, const Value& self, Text text) {
  return in.budget().string(std::move(text), self.is_markup());
}

template <CaseMap map>
Result<Value> change_case(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("str method", arguments, {}));
  TRY_STATUS(in.budget().scan(self.bytes().size() * 4));
  return make(in, self, map_case(self.text(), map));
}

template <CharTest test>
Result<Value> is_all(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("str method", arguments, {}));
  TRY_STATUS(in.budget().scan(self.bytes().size() * 4));
  return Value::boolean(test_all(self.bytes(), test));
}

template <Side side>
Result<Value> strip_method(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("strip", arguments, {"chars"}));
  std::optional<std::string_view> chars;
  if (is_given(args[0])) {
    TRY(chars, text_argument("strip", args[0]));
    TRY_STATUS(in.budget().step(1 + chars->size() * self.bytes().size() / 1024));
  }
  TRY_STATUS(in.budget().scan(self.bytes().size()));
  const ByteSpan span = strip(self.bytes(), side, chars);
  return make(in, self, self.text().slice(span.begin, span.end));
}

Result<Value> to_list(Interpreter& in, const Value& self, const std::vector<ByteSpan>& parts) {
  TRY_STATUS(in.budget().reserve_items(parts.size()));
  Values items;
  items.reserve(parts.size());
  for (const ByteSpan& part : parts) {
    TRY(Value item, make(in, self, self.text().slice(part.begin, part.end)));
    items.push_back(std::move(item));
  }
  return Value::list(std::move(items));
}

template <bool from_right>
Result<Value> split_method(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("split", arguments, {"sep", "maxsplit"}));
  std::optional<std::string_view> separator;
  if (is_given(args[0])) {
    TRY(separator, text_argument("split", args[0]));
    if (separator->empty()) return fail(ErrorKind::invalid_argument, "empty separator");
  }
  TRY(const int64_t maxsplit, int_argument("split", args[1], -1));
  TRY_STATUS(in.budget().scan(self.bytes().size() * 4));
  return to_list(in, self,
                 from_right ? rsplit(self.bytes(), separator, maxsplit)
                            : split(self.bytes(), separator, maxsplit));
}

Result<Value> splitlines(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("splitlines", arguments, {"keepends"}));
  TRY_STATUS(in.budget().scan(self.bytes().size() * 4));
  return to_list(in, self, split_lines(self.bytes(), bool_argument(args[0], false)));
}

template <bool from_right>
Result<Value> partition(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("partition", arguments, {"sep"}, 1));
  TRY(const std::string_view separator, text_argument("partition", args[0]));
  if (separator.empty()) return fail(ErrorKind::invalid_argument, "empty separator");
  TRY_STATUS(in.budget().scan(self.bytes().size()));
  TRY_STATUS(in.budget().scan(2 * self.bytes().size()));
  const Text& text = self.text();
  const size_t found = from_right ? self.bytes().rfind(separator) : self.bytes().find(separator);
  const auto piece = [&](size_t begin, size_t end) {
    return Value::string(text.slice(begin, end), self.is_markup());
  };
  if (found == std::string::npos) {
    return from_right ? Value::tuple({piece(0, 0), piece(0, 0), self})
                      : Value::tuple({self, piece(0, 0), piece(0, 0)});
  }
  return Value::tuple({piece(0, found), piece(found, found + separator.size()),
                       piece(found + separator.size(), text.size())});
}

// [start, end) in bytes, from arguments in code points.
Result<ByteSpan> window(const Value& self, const Value* start, const Value* end) {
  const std::string_view bytes = self.bytes();
  ByteSpan span{0, bytes.size()};
  if (!is_given(start) && !is_given(end)) return span;
  const auto size = static_cast<int64_t>(count_code_points(bytes));
  const auto place = [&](int64_t index) {
    if (index < 0) index = std::max<int64_t>(index, -size) + size;
    return std::min(index, size);
  };
  if (is_given(start)) {
    TRY(const int64_t index, int_argument("start", start, 0));
    if (index > size) return ByteSpan{bytes.size() + 1, bytes.size()};  // beyond: matches nothing
    span.begin = byte_offset(bytes, static_cast<size_t>(place(index)));
  }
  if (is_given(end)) {
    TRY(const int64_t index, int_argument("end", end, size));
    span.end = byte_offset(bytes, static_cast<size_t>(place(index)));
  }
  return span;
}

template <bool at_start>
Result<Value> affix(Interpreter& in, const Value& self, const CallArguments& arguments) {
  const char* name = at_start ? "startswith" : "endswith";
  TRY(const auto args, bind(name, arguments, {"affix", "start", "end"}, 1));
  TRY_STATUS(in.budget().scan(args[1] || args[2] ? self.bytes().size() : 0));
  TRY(const ByteSpan span, window(self, args[1], args[2]));
  if (span.begin > span.end) return Value::boolean(false);
  const std::string_view text =
      std::string_view(self.bytes()).substr(span.begin, span.end - span.begin);
  const Values one{*args[0]};
  const Values& candidates = args[0]->is(Kind::tuple) ? args[0]->items() : one;
  for (const Value& candidate : candidates) {
    TRY(const std::string_view wanted, text_argument(name, &candidate));
    TRY_STATUS(in.budget().scan(wanted.size()));
    if (at_start ? text.starts_with(wanted) : text.ends_with(wanted)) return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <bool from_right, bool must_find>
Result<Value> find_method_of_str(Interpreter& in, const Value& self,
                                 const CallArguments& arguments) {
  TRY(const auto args, bind("find", arguments, {"sub", "start", "end"}, 1));
  TRY(const std::string_view wanted, text_argument("find", args[0]));
  TRY_STATUS(in.budget().scan(self.bytes().size() * 2));
  TRY(const ByteSpan span, window(self, args[1], args[2]));
  const std::string_view bytes = self.bytes();
  size_t found = std::string_view::npos;
  if (span.begin <= span.end) {
    const std::string_view text = bytes.substr(span.begin, span.end - span.begin);
    found = from_right ? text.rfind(wanted) : text.find(wanted);
  }
  if (found == std::string_view::npos) {
    if (must_find) return fail(ErrorKind::invalid_argument, "substring not found");
    return Value::integer(-1);
  }
  return Value::integer(
      static_cast<int64_t>(count_code_points(bytes.substr(0, span.begin + found))));
}

Result<Value> count(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("count", arguments, {"sub", "start", "end"}, 1));
  TRY(const std::string_view wanted, text_argument("count", args[0]));
  TRY_STATUS(in.budget().scan(self.bytes().size() * 2));
  TRY(const ByteSpan span, window(self, args[1], args[2]));
  if (span.begin > span.end) return Value::integer(0);
  const std::string_view text =
      std::string_view(self.bytes()).substr(span.begin, span.end - span.begin);
  if (wanted.empty()) return Value::integer(static_cast<int64_t>(count_code_points(text)) + 1);
  int64_t total = 0;
  for (size_t i = 0; (i = text.find(wanted, i)) != std::string_view::npos; i += wanted.size()) {
    ++total;
  }
  return Value::integer(total);
}

Result<Value> replace(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("replace", arguments, {"old", "new", "count"}, 2));
  TRY(const int64_t limit, int_argument("replace", args[2], -1));
  Value old = *args[0], with = *args[1];
  for (const Value* argument : {&old, &with}) {
    if (const auto text = text_argument("replace", argument); !text) return text.error();
  }
  if (self.is_markup()) {
    TRY(old, escape(in.budget(), old));
    TRY(with, escape(in.budget(), with));
  }
  TRY(Text text, replace_text(in.budget(), self.text(), old.bytes(), with.text(), limit));
  return make(in, self, std::move(text));
}

Result<Value> join(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("join", arguments, {"iterable"}, 1));
  TRY(const auto items, iterate(in.budget(), *args[0]));
  Text out;
  for (size_t i = 0; i < items->size(); ++i) {
    TRY_STATUS(in.budget().step());
    Value item = (*items)[i];
    if (self.is_markup()) {
      TRY(item, escape(in.budget(), item));
    } else if (!item.is(Kind::string)) {
      return fail(ErrorKind::invalid_argument, "sequence item {}: expected str instance, {} found",
                  i, type_name(item));
    }
    if (i > 0) TRY_STATUS(in.budget().append(out, self.text()));
    TRY_STATUS(in.budget().append(out, item.text()));
  }
  return make(in, self, std::move(out));
}

enum class Pad { left, right, both };

template <Pad pad>
Result<Value> justify(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("ljust, rjust, center", arguments, {"width", "fillchar"}, 1));
  TRY(const int64_t width, int_argument("width", args[0], 0));
  Text fill(" ", Origin::from_template);
  if (args[1]) {
    if (!args[1]->is(Kind::string) || count_code_points(args[1]->bytes()) != 1) {
      return fail(ErrorKind::invalid_argument,
                  "the fill character must be exactly one character long");
    }
    fill = args[1]->text();
  }
  return center_text(in.budget(), self, width, fill,
                     pad == Pad::left    ? Align::right
                     : pad == Pad::right ? Align::left
                                         : Align::center);
}

Result<Value> zfill(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("zfill", arguments, {"width"}, 1));
  TRY(const int64_t width, int_argument("zfill", args[0], 0));
  const std::string_view bytes = self.bytes();
  const int64_t missing = width - static_cast<int64_t>(count_code_points(bytes));
  if (missing <= 0) return self;
  if (missing > kMaxPadding) return fail(ErrorKind::too_large, "zfill: width {} too large", width);
  const size_t sign = !bytes.empty() && (bytes[0] == '+' || bytes[0] == '-') ? 1 : 0;
  Text out = self.text().slice(0, sign);
  out.append(std::string(static_cast<size_t>(missing), '0'), Origin::from_template);
  out.append(self.text().slice(sign, bytes.size()));
  return make(in, self, std::move(out));
}

Result<Value> expandtabs(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("expandtabs", arguments, {"tabsize"}));
  TRY(const int64_t size, int_argument("expandtabs", args[0], 8));
  if (size > 1000) return fail(ErrorKind::too_large, "expandtabs: {} is too large", size);
  TRY_STATUS(in.budget().scan(self.bytes().size() * 2));
  Text out;
  int64_t column = 0;
  const std::string_view bytes = self.bytes();
  for (size_t i = 0; i < bytes.size();) {
    const size_t length = byte_offset(bytes.substr(i), 1);
    if (bytes[i] == '\t') {
      const int64_t spaces = size <= 0 ? 0 : size - column % size;
      TRY_STATUS(in.budget().append(out, std::string(static_cast<size_t>(spaces), ' '),
                                    self.text().origin_at(i)));
      column += spaces;
    } else {
      TRY_STATUS(in.budget().append(out, bytes.substr(i, length), self.text().origin_at(i)));
      column = bytes[i] == '\n' || bytes[i] == '\r' ? 0 : column + 1;
    }
    i += length;
  }
  return make(in, self, std::move(out));
}

template <bool prefix>
Result<Value> remove_affix(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("removeprefix, removesuffix", arguments, {"affix"}, 1));
  TRY(const std::string_view affix_text, text_argument("removeprefix", args[0]));
  const std::string_view bytes = self.bytes();
  if (prefix ? !bytes.starts_with(affix_text) : !bytes.ends_with(affix_text)) return self;
  return make(in, self,
              prefix ? self.text().slice(affix_text.size(), bytes.size())
                     : self.text().slice(0, bytes.size() - affix_text.size()));
}

Result<Value> format(Interpreter& in, const Value& self, const CallArguments& arguments) {
  return format_braces(in, self, arguments);
}

Result<Value> format_map(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("format_map", arguments, {"mapping"}, 1));
  if (!args[0]->is(Kind::dict)) {
    return fail(ErrorKind::invalid_argument, "format_map: expected a mapping, not {}",
                type_name(*args[0]));
  }
  CallArguments mapped;
  for (const auto& [key, value] : args[0]->as<DictObject>().entries) {
    if (key.is(Kind::string)) mapped.keyword.emplace_back(key.bytes(), value);
  }
  return format_braces(in, self, mapped);
}

constexpr Method kMethods[] = {
    {"capitalize", change_case<CaseMap::capitalize>},
    {"casefold", change_case<CaseMap::fold>},
    {"center", justify<Pad::both>},
    {"count", count},
    {"endswith", affix<false>},
    {"expandtabs", expandtabs},
    {"find", find_method_of_str<false, false>},
    {"format", format},
    {"format_map", format_map},
    {"index", find_method_of_str<false, true>},
    {"isalnum", is_all<CharTest::alnum>},
    {"isalpha", is_all<CharTest::alpha>},
    {"isascii", is_all<CharTest::ascii>},
    {"isdecimal", is_all<CharTest::decimal>},
    {"isdigit", is_all<CharTest::digit>},
    {"isidentifier", is_all<CharTest::identifier>},
    {"islower", is_all<CharTest::lower>},
    {"isnumeric", is_all<CharTest::digit>},
    {"isprintable", is_all<CharTest::printable>},
    {"isspace", is_all<CharTest::space>},
    {"istitle", is_all<CharTest::title>},
    {"isupper", is_all<CharTest::upper>},
    {"join", join},
    {"ljust", justify<Pad::right>},
    {"lower", change_case<CaseMap::lower>},
    {"lstrip", strip_method<Side::left>},
    {"partition", partition<false>},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"replace", replace},
    {"rfind", find_method_of_str<true, false>},
    {"rindex", find_method_of_str<true, true>},
    {"rjust", justify<Pad::left>},
    {"rpartition", partition<true>},
    {"rsplit", split_method<true>},
    {"rstrip", strip_method<Side::right>},
    {"split", split_method<false>},
    {"splitlines", splitlines},
    {"startswith", affix<true>},
    {"strip", strip_method<Side::both>},
    {"swapcase", change_case<CaseMap::swap>},
    {"title", change_case<CaseMap::title>},
    {"upper", change_case<CaseMap::upper>},
    {"zfill", zfill},
};

}  // namespace

std::span<const Method> string_methods() { return kMethods; }

Result<Value> center_text(Budget& budget, const Value& self, int64_t width, const Text& fill,
                          Align align) {
  const int64_t missing = width - static_cast<int64_t>(count_code_points(self.bytes()));
  TRY_STATUS(budget.scan(self.bytes().size()));
  if (missing <= 0) return self;
  if (missing > kMaxPadding) return fail(ErrorKind::too_large, "a width of {} is too large", width);
  // Python puts the odd space on the left when the width is odd.
  const int64_t left = align == Align::left    ? 0
                       : align == Align::right ? missing
                                               : missing / 2 + (missing & width & 1);
  TRY_STATUS(budget.check_size(static_cast<size_t>(missing) * fill.size() + self.bytes().size()));
  Text out;
  for (int64_t i = 0; i < left; ++i) out.append(fill);
  out.append(self.text());
  for (int64_t i = left; i < missing; ++i) out.append(fill);
  return budget.string(std::move(out), self.is_markup());
}

Result<Text> replace_text(Budget& budget, const Text& text, std::string_view old, const Text& with,
                          int64_t limit) {
  TRY_STATUS(budget.scan(text.size() * 2));
  const std::string_view bytes = text.bytes();
  Text out;
  size_t begin = 0;
  size_t i = 0;
  for (int64_t done = 0; limit < 0 || done < limit; ++done) {
    if (old.empty()) {  // before every character, and at the end
      if (done > 0) {
        if (i >= bytes.size()) break;
        i += byte_offset(bytes.substr(i), 1);
      }
    } else {
      i = bytes.find(old, i);
      if (i == std::string_view::npos) break;
    }
    TRY_STATUS(budget.step());
    TRY_STATUS(budget.append(out, text.slice(begin, i)));
    TRY_STATUS(budget.append(out, with));
    i += old.size();
    begin = i;
  }
  TRY_STATUS(budget.append(out, text.slice(begin, bytes.size())));
  return out;
}

}  // namespace jiang::jinja
