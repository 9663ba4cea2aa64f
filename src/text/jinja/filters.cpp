#include "text/jinja/filters.h"

#include "text/jinja/interpreter.h"
#include "text/jinja/python_text.h"

namespace jiang::jinja {

FilterFunction find_filter(std::string_view name) {
  for (const auto filters :
       {text_filters(), number_filters(), sequence_filters(), select_filters()}) {
    for (const auto& [filter, function] : filters) {
      if (filter == name) return function;
    }
  }
  return nullptr;
}

Result<AttributePath> AttributePath::parse(const Value& attribute) {
  AttributePath path;
  if (attribute.is(Kind::none)) return path;
  if (attribute.is_integral()) {
    path.parts_.push_back(attribute);
    return path;
  }
  if (!attribute.is(Kind::string)) {
    return fail(ErrorKind::invalid_argument, "an attribute name must be a string, not {}",
                type_name(attribute));
  }
  const std::string_view text = attribute.bytes();
  for (const ByteSpan& span : split(text, ".", -1)) {
    const std::string_view part = text.substr(span.begin, span.end - span.begin);
    const bool digits = !part.empty() && part.size() < 18 &&
                        part.find_first_not_of("0123456789") == std::string_view::npos;
    path.parts_.push_back(digits ? Value::integer(std::stoll(std::string(part)))
                                 : Value::string(part, Origin::data));
  }
  return path;
}

Result<Value> AttributePath::get(Interpreter& interpreter, const Value& item) const {
  Value value = item;
  for (const Value& part : parts_) {
    TRY(value, interpreter.get_item(value, part));
    if (otherwise_ && value.is(Kind::undefined)) value = *otherwise_;
  }
  return value;
}

Result<Value> ignore_case(Interpreter& interpreter, const Value& value) {
  if (!value.is(Kind::string)) return value;
  TRY_STATUS(interpreter.budget().scan(value.bytes().size() * 4));
  return interpreter.budget().string(map_case(value.text(), CaseMap::lower));
}

}  // namespace jiang::jinja
