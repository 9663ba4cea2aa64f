// Value: what a template computes with, after Python's model: str, int, float, bool, None, list,
// tuple, dict, and the few helpers of Jinja (namespace, loop, macro, ...).
//
// Strings, lists, tuples and dicts never change once made, so copies share them. Only the objects
// of one render may point to each other; nothing is shared between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/jinja/text.h"

namespace jiang::jinja {

class Value;
using Values = std::vector<Value>;

enum class Kind : uint8_t {
  undefined,
  none,
  boolean,
  integer,
  real,
  string,
  list,
  tuple,
  dict,
  range,
  view,        // d.items(), d.keys(), d.values(): sized, iterable, not indexable
  generator,   // map, select, reverse ...: iterable once
  name_space,  // the one thing that {% set a.b = c %} may change
  function,    // macro, caller, method, global
  loop,
  cycler,
  joiner,
};

// What a Value may point to. Chains of objects are taken apart without recursion (value.cpp).
struct Object {
  virtual ~Object() = default;
  virtual void take_children(Values&) {}
};

class Value {
 public:
  Value() = default;  // undefined
  Value(const Value&) = default;
  Value(Value&&) noexcept = default;
  Value& operator=(const Value&) = default;
  Value& operator=(Value&&) noexcept = default;
  ~Value();

  static Value none() { return Value(Kind::none); }
  static Value boolean(bool value);
  static Value integer(int64_t value);
  static Value real(double value);
  static Value string(Text text, bool markup = false);
  static Value string(std::string_view bytes, Origin origin);
  static Value list(Values items);
  static Value tuple(Values items);
  static Value dict(std::vector<std::pair<Value, Value>> entries);  // keys are distinct
  static Value generator(const char* type_name, Values items);
  static Value undefined(std::string message);
  static Value object(Kind kind, std::shared_ptr<Object> object);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_number() const {
    return kind_ == Kind::boolean || kind_ == Kind::integer || kind_ == Kind::real;
  }
  bool is_integral() const { return kind_ == Kind::boolean || kind_ == Kind::integer; }

  bool as_bool() const { return scalar_.integer != 0; }
  int64_t as_int() const { return scalar_.integer; }  // of booleans too
  double as_real() const {
    return kind_ == Kind::real ? scalar_.real : static_cast<double>(scalar_.integer);
  }
  const Text& text() const;
  const std::string& bytes() const { return text().bytes(); }
  bool is_markup() const;
  const Values& items() const;  // of a list or tuple
  std::shared_ptr<const Values> shared_items() const;
  std::string_view undefined_message() const;

  template <class T>
  T& as() const {
    return static_cast<T&>(*object_);
  }
  const Object* identity() const { return object_.get(); }

 private:
  explicit Value(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::undefined;
  union {
    int64_t integer = 0;
    double real;
  } scalar_;
  std::shared_ptr<Object> object_;
};

struct StringObject : Object {
  ~StringObject() override {
    if (live_bytes) *live_bytes -= charged;
  }
  Text text;
  bool markup = false;  // went through |safe or |escape: what is added to it gets HTML-escaped
  size_t charged = 0;
  size_t* live_bytes = nullptr;  // of the render's Budget, which outlives it
};

struct UndefinedObject : Object {
  std::string message;
};

struct ListObject : Object {
  Values items;
  void take_children(Values& out) override;
};

// What groupby yields: a tuple whose parts also have names.
struct GroupObject : ListObject {};

struct DictObject : Object {
  std::vector<std::pair<Value, Value>> entries;  // in order of insertion
  void take_children(Values& out) override;

  const Value* find(std::string_view key) const;
  // Python's equality of keys: 1, 1.0 and true are one key. Only hashable keys are ever stored.
  const Value* find(const Value& key) const;
  void set(Value key, Value value);

 private:
  // Filled at the first look-up in a dict of more than a few entries.
  mutable std::unordered_map<std::string_view, size_t> index_;
};

struct RangeObject : Object {
  int64_t start = 0, stop = 0, step = 1;
  int64_t size() const;
  int64_t at(int64_t i) const {  // unsigned: start and step may lie far apart
    return static_cast<int64_t>(static_cast<uint64_t>(start) +
                                static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
  }
};

struct ViewObject : Object {
  const char* type_name = "";
  Values items;
  void take_children(Values& out) override;
};

struct GeneratorObject : Object {
  const char* type_name = "";
  Values items;
  size_t next = 0;
  void take_children(Values& out) override;
};

struct NamespaceObject : DictObject {};

struct CyclerObject : Object {
  Values items;
  size_t position = 0;
  void take_children(Values& out) override;
};

struct JoinerObject : Object {
  Value separator;
  bool used = false;
  void take_children(Values& out) override;
};

// Python's name of the type ("str", "int", "NoneType"): for error messages.
const char* type_name(const Value& value);
bool is_true(const Value& value);
// Same object, as Python's `is`, for the values where that is meaningful.
bool is_same(const Value& a, const Value& b);
// Can it be the key of a dict?
bool is_hashable(const Value& value);

// The context. Strings are data, apart from those that are the model's own and not its user's
// (chat_template.cpp says which): `origin` is for the strings directly in `json`.
Result<Value> from_json(const Json& json, Origin origin = Origin::data);

}  // namespace jiang::jinja
