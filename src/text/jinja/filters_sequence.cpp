// Filters over lists, dicts and whatever else can be iterated.
#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_value.h"

namespace jiang::jinja {
namespace {

Result<Value> length_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("length", arguments, {}));
  TRY(const int64_t count, length(in.budget(), self));
  return Value::integer(count);
}

Result<Value> list_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("list", arguments, {}));
  TRY(const auto items, iterate(in.budget(), self));
  return in.budget().list(*items);
}

Result<Value> first(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("first", arguments, {}));
  if (self.is(Kind::generator)) {
    auto& generator = self.as<GeneratorObject>();
    if (generator.next < generator.items.size()) return generator.items[generator.next++];
    return Value::undefined("No first item, sequence was empty.");
  }
  TRY(const auto items, iterate(in.budget(), self));
  return items->empty() ? Value::undefined("No first item, sequence was empty.") : items->front();
}

Result<Value> last(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("last", arguments, {}));
  if (self.is(Kind::generator)) {
    return fail(ErrorKind::invalid_argument, "'{}' object is not reversible", type_name(self));
  }
  TRY(const auto items, iterate(in.budget(), self));
  return items->empty() ? Value::undefined("No last item, sequence was empty.") : items->back();
}

Result<Value> reverse(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("reverse", arguments, {}));
  if (self.is(Kind::string)) {
    return apply_slice(in.budget(), self, Value::none(), Value::none(), Value::integer(-1));
  }
  TRY(const auto items, iterate(in.budget(), self));
  TRY_STATUS(in.budget().reserve_items(items->size()));
  Values reversed(items->rbegin(), items->rend());
  if (self.is(Kind::generator)) return Value::list(std::move(reversed));
  return Value::generator("list_reverseiterator", std::move(reversed));
}

Result<Value> items_filter(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto none, bind("items", arguments, {}));
  Values pairs;
  if (!self.is(Kind::undefined)) {
    if (!self.is(Kind::dict)) {
      return fail(ErrorKind::invalid_argument, "can only get item pairs from a mapping, not {}",
                  type_name(self));
    }
    const auto& entries = self.as<DictObject>().entries;
    TRY_STATUS(in.budget().reserve_items(2 * entries.size()));
    for (const auto& [key, value] : entries) pairs.push_back(Value::tuple({key, value}));
  }
  return Value::generator("generator", std::move(pairs));
}

Result<Value> default_filter(Interpreter&, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("default", arguments, {"default_value", "boolean"}));
  const bool missing =
      self.is(Kind::undefined) || (bool_argument(args[1], false) && !is_true(self));
  if (!missing) return self;
  return args[0] ? *args[0] : Value::string("", Origin::from_template);
}

Result<Value> join(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("join", arguments, {"d", "attribute"}));
  Text separator;
  if (args[0]) {
    TRY(separator, to_text(in.budget(), *args[0]));
  }
  TRY(const auto items, iterate(in.budget(), self));
  TRY(const AttributePath path, AttributePath::parse(is_given(args[1]) ? *args[1] : Value::none()));
  Text out;
  for (size_t i = 0; i < items->size(); ++i) {
    TRY_STATUS(in.budget().step());
    if (i > 0) TRY_STATUS(in.budget().append(out, separator));
    TRY(const Value item, path.get(in, (*items)[i]));
    TRY_STATUS(append_str(in.budget(), out, item));
  }
  return in.budget().string(std::move(out));
}

// Sorts positions by key; the items stay where they are.
Result<std::vector<size_t>> sorted_order(Interpreter& in, const Values& keys, bool descending) {
  TRY_STATUS(in.budget().reserve_items(keys.size()));
  std::vector<size_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  Status status = ok();
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (!status) return false;
    if (descending) std::swap(a, b);
    const Result<bool> smaller = less(in.budget(), keys[a], keys[b]);
    if (!smaller) {
      status = smaller.error();
      return false;
    }
    return *smaller;
  });
  TRY_STATUS(std::move(status));
  return order;
}

Result<Value> sort(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("sort", arguments, {"reverse", "case_sensitive", "attribute"}));
  const bool case_sensitive = bool_argument(args[1], false);
  // attribute="a,b" sorts by a, then by b.
  std::vector<AttributePath> paths;
  if (is_given(args[2]) && args[2]->is(Kind::string)) {
    std::string_view names = args[2]->bytes();
    while (true) {
      const size_t comma = std::min(names.find(','), names.size());
      TRY(AttributePath path,
          AttributePath::parse(Value::string(names.substr(0, comma), Origin::data)));
      paths.push_back(std::move(path));
      if (comma == names.size()) break;
      names.remove_prefix(comma + 1);
    }
  } else {
    TRY(AttributePath path, AttributePath::parse(is_given(args[2]) ? *args[2] : Value::none()));
    paths.push_back(std::move(path));
  }
  TRY(const auto items, iterate(in.budget(), self));
  Values keys;
  for (const Value& item : *items) {
    Values key;
    for (const AttributePath& path : paths) {
      TRY(Value part, path.get(in, item));
      if (!case_sensitive) {
        TRY(part, ignore_case(in, part));
      }
      key.push_back(std::move(part));
    }
    keys.push_back(Value::list(std::move(key)));
  }
  TRY(const auto order, sorted_order(in, keys, bool_argument(args[0], false)));
  Values sorted;
  for (const size_t i : order) sorted.push_back((*items)[i]);
  return in.budget().list(std::move(sorted));
}

Result<Value> dictsort(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("dictsort", arguments, {"case_sensitive", "by", "reverse"}));
  if (!self.is(Kind::dict)) {
    if (self.is(Kind::undefined)) {
      return fail(ErrorKind::invalid_argument, "{}", self.undefined_message());
    }
    return fail(ErrorKind::invalid_argument, "dictsort: expected a mapping, not {}",
                type_name(self));
  }
  const std::string by = args[1] && args[1]->is(Kind::string) ? args[1]->bytes() : "key";
  if ((args[1] && !args[1]->is(Kind::string)) || (by != "key" && by != "value")) {
    return fail(ErrorKind::invalid_argument, "dictsort: by must be \"key\" or \"value\"");
  }
  const auto& entries = self.as<DictObject>().entries;
  Values keys;
  for (const auto& [key, value] : entries) {
    Value part = by == "key" ? key : value;
    if (!bool_argument(args[0], false)) {
      TRY(part, ignore_case(in, part));
    }
    keys.push_back(std::move(part));
  }
  TRY(const auto order, sorted_order(in, keys, bool_argument(args[2], false)));
  Values sorted;
  for (const size_t i : order) {
    sorted.push_back(Value::tuple({entries[i].first, entries[i].second}));
  }
  return in.budget().list(std::move(sorted));
}

// The items' keys by attribute, without regard to case unless asked to.
Result<Values> keys_of(Interpreter& in, const Values& items, const Value* attribute,
                       bool case_sensitive, const Value* otherwise = nullptr) {
  TRY(AttributePath path, AttributePath::parse(attribute ? *attribute : Value::none()));
  if (is_given(otherwise)) path.set_default(*otherwise);
  Values keys;
  for (const Value& item : items) {
    TRY(Value key, path.get(in, item));
    if (!case_sensitive) {
      TRY(key, ignore_case(in, key));
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<Value> unique(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("unique", arguments, {"case_sensitive", "attribute"}));
  TRY(const auto items, iterate(in.budget(), self));
  TRY(const Values keys, keys_of(in, *items, args[1], bool_argument(args[0], false)));
  DictObject seen;
  Values kept;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!is_hashable(keys[i])) {
      return fail(ErrorKind::invalid_argument, "unhashable type: '{}'", type_name(keys[i]));
    }
    TRY_STATUS(in.budget().step(1 + (keys[i].is(Kind::string) ? 0 : seen.entries.size() / 8)));
    if (seen.find(keys[i])) continue;
    seen.set(keys[i], Value::none());
    kept.push_back((*items)[i]);
  }
  return Value::generator("generator", std::move(kept));
}

template <bool largest>
Result<Value> extreme(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("min, max", arguments, {"case_sensitive", "attribute"}));
  TRY(const auto items, iterate(in.budget(), self));
  if (items->empty()) return Value::undefined("No aggregated item, sequence was empty.");
  TRY(const Values keys, keys_of(in, *items, args[1], bool_argument(args[0], false)));
  size_t best = 0;
  for (size_t i = 1; i < keys.size(); ++i) {
    TRY(const bool better, less(in.budget(), keys[largest ? best : i], keys[largest ? i : best]));
    if (better) best = i;
  }
  return (*items)[best];
}

Result<Value> sum(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("sum", arguments, {"attribute", "start"}));
  TRY(const auto items, iterate(in.budget(), self));
  TRY(const AttributePath path, AttributePath::parse(is_given(args[0]) ? *args[0] : Value::none()));
  Value total = args[1] ? *args[1] : Value::integer(0);
  if (total.is(Kind::string)) {
    return fail(ErrorKind::invalid_argument, "sum() can't sum strings, use join");
  }
  for (const Value& item : *items) {
    TRY_STATUS(in.budget().step());
    TRY(const Value value, path.get(in, item));
    TRY(total, apply_binary(in.budget(), BinaryOp::add, total, value));
  }
  return total;
}

Result<Value> groupby(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1));
  const bool case_sensitive = bool_argument(args[2], false);
  TRY(const auto items, iterate(in.budget(), self));
  TRY(const Values keys, keys_of(in, *items, args[0], case_sensitive, args[1]));
  TRY(const Values names, keys_of(in, *items, args[0], /*case_sensitive=*/true, args[1]));
  TRY(const auto order, sorted_order(in, keys, false));
  TRY_STATUS(in.budget().reserve_items(3 * items->size()));
  Values groups;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    Values group;
    while (end < order.size()) {
      TRY(const bool same, equal(in.budget(), keys[order[begin]], keys[order[end]]));
      if (!same) break;
      group.push_back((*items)[order[end++]]);
    }
    if (end == begin) {  // NaN is unlike itself
      group.push_back((*items)[order[end++]]);
    }
    auto object = std::make_shared<GroupObject>();
    object->items = {names[order[begin]], Value::list(std::move(group))};
    groups.push_back(Value::object(Kind::tuple, std::move(object)));
    begin = end;
  }
  return Value::list(std::move(groups));
}

Result<Value> batch(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("batch", arguments, {"linecount", "fill_with"}, 1));
  TRY(const int64_t size, int_argument("batch", args[0], 0));
  TRY(const auto items, iterate(in.budget(), self));
  Values rows, row;
  for (const Value& item : *items) {
    if (static_cast<int64_t>(row.size()) == size) {
      rows.push_back(Value::list(std::exchange(row, {})));
    }
    row.push_back(item);
  }
  TRY_STATUS(in.budget().reserve_items(2 * items->size()));
  if (!row.empty()) {
    if (is_given(args[1]) && static_cast<int64_t>(row.size()) < size) {
      TRY_STATUS(in.budget().reserve_items(static_cast<size_t>(size)));
      row.resize(static_cast<size_t>(size), *args[1]);
    }
    rows.push_back(Value::list(std::move(row)));
  }
  return Value::generator("generator", std::move(rows));
}

Result<Value> slice(Interpreter& in, const Value& self, const CallArguments& arguments) {
  TRY(const auto args, bind("slice", arguments, {"slices", "fill_with"}, 1));
  TRY(const int64_t slices, int_argument("slice", args[0], 0));
  TRY(const auto items, iterate(in.budget(), self));
  if (slices == 0) return fail(ErrorKind::invalid_argument, "integer division or modulo by zero");
  if (slices < 0) return Value::generator("generator", {});
  TRY_STATUS(in.budget().reserve_items(static_cast<size_t>(slices)));
  TRY_STATUS(in.budget().reserve_items(items->size()));
  const auto size = static_cast<int64_t>(items->size());
  Values columns;
  int64_t begin = 0;
  for (int64_t i = 0; i < slices; ++i) {
    const bool longer = i < size % slices;
    const int64_t end = begin + size / slices + (longer ? 1 : 0);
    Values column(items->begin() + begin, items->begin() + end);
    if (is_given(args[1]) && !longer) column.push_back(*args[1]);
    columns.push_back(Value::list(std::move(column)));
    begin = end;
  }
  return Value::generator("generator", std::move(columns));
}

constexpr FilterRow kSequenceFilters[] = {
    {"batch", batch},
    {"count", length_filter},
    {"d", default_filter},
    {"default", default_filter},
    {"dictsort", dictsort},
    {"first", first},
    {"groupby", groupby},
    {"items", items_filter},
    {"join", join},
    {"last", last},
    {"length", length_filter},
    {"list", list_filter},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reverse", reverse},
    {"slice", slice},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
};

}  // namespace

std::span<const FilterRow> sequence_filters() { return kSequenceFilters; }

}  // namespace jiang::jinja
