#include "text/json_schema.h"

#include <algorithm>
#include <deque>

#include "base/json_value.h"
#include "text/json_schema_parts.h"
#include "text/json_schema_shape.h"
#include "text/pattern_automaton.h"

namespace jiang {

using namespace json_schema;

namespace {

using Kind = GrammarNode::Kind;

constexpr size_t kMaxEnumBytes = 100'000;
constexpr size_t kMaxTextChoices = 16;     // more become one automaton
constexpr size_t kMaxDfaStates = 400'000;  // of all automata of a schema
constexpr int kMaxConstantDepth = 200;

Error at_path(const std::string& path, Error error) {
  return Error{error.kind, fmt::format("{}: {}", path, error.message)};
}

// Works through a list, not through the stack: a schema may be a chain of ten thousand references.
class Compiler {
 public:
  Compiler(Grammar& grammar, const Json& root, std::string_view where,
           const JsonSchemaLimits& limits)
      : grammar_(grammar), limits_(limits), shapes_(root, std::string(where), limits) {}

  Result<NodeId> compile() {
    const NodeId root = node_of({&shapes_.root()});
    while (!waiting_.empty()) {
      const auto [id, conjunction] = std::move(waiting_.front());
      waiting_.pop_front();
      TRY_STATUS(fill(id, conjunction));
      if (grammar_.size() > limits_.max_nodes) {
        return fail(ErrorKind::too_large, "{}: the schema is larger than {} nodes",
                    shapes_.path_of(&shapes_.root()), limits_.max_nodes);
      }
    }
    return root;
  }

 private:
  NodeId node_of(const Conjunction& conjunction) {
    const auto [found, is_new] = known_.try_emplace(conjunction, kNoNode);
    if (is_new) {
      found->second = grammar_.reserve();
      waiting_.emplace_back(found->second, conjunction);
    }
    return found->second;
  }

  Status fill(NodeId id, const Conjunction& conjunction) {
    TRY(const std::vector<Shape> shapes, shapes_.shapes_of(conjunction));
    std::vector<NodeId> parts;
    for (const Shape& shape : shapes) {
      TRY_STATUS(shape.enumerations.empty() ? add_types(shape, parts) : add_values(shape, parts));
    }
    grammar_.fill(id, {.kind = Kind::choice, .parts = std::move(parts)});
    return ok();
  }

  Status add_types(const Shape& shape, std::vector<NodeId>& parts) {
    if (shape.types & kObject) parts.push_back(object(shape));
    if (shape.types & kArray) parts.push_back(array(shape));
    if (shape.types & kString) {
      TRY(const NodeId node, string(shape));
      parts.push_back(node);
    }
    if (shape.types & (kInteger | kFraction)) {
      TRY(const NodeId node, number(shape));
      parts.push_back(node);
    }
    if (shape.types & kBoolean) {
      parts.push_back(text("true"));
      parts.push_back(text("false"));
    }
    if (shape.types & kNull) parts.push_back(text("null"));
    return ok();
  }

  NodeId text(const std::string& text) {
    const auto [found, is_new] = texts_.try_emplace(text, kNoNode);
    if (is_new) found->second = grammar_.add_text(text);
    return found->second;
  }

  Status add_values(const Shape& shape, std::vector<NodeId>& parts) {
    TRY(const auto values, shapes_.values_of(shape));
    std::vector<std::string> texts;
    size_t bytes = 0;
    for (const Json* value : values) {
      if (value->is_structured()) {
        TRY(const NodeId node, constant(*value, 0));
        parts.push_back(node);
        continue;
      }
      texts.push_back(to_string(*value));
      bytes += texts.back().size();
    }
    if (bytes > kMaxEnumBytes) {
      return fail(ErrorKind::too_large, "{}/enum has {} bytes of values, at most {} are allowed",
                  shape.path, bytes, kMaxEnumBytes);
    }
    if (texts.size() <= kMaxTextChoices) {
      for (const std::string& one : texts) parts.push_back(text(one));
      return ok();
    }
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    Nfa nfa;
    const int32_t accepting = nfa.add_state();
    nfa.set_accepting(accepting);
    for (const std::string& one : texts) nfa.add_text(Nfa::kStart, one, accepting);
    TRY(const NodeId node,
        add_dfa(determinize(nfa, {.max_states = kMaxEnumBytes + 2}), shape.path));
    parts.push_back(node);
    return ok();
  }

  // One value, spelt with the white space that is allowed anywhere.
  Result<NodeId> constant(const Json& value, int depth) {
    if (depth > kMaxConstantDepth)
      return fail(ErrorKind::too_large, "a constant is nested deeper than {}", kMaxConstantDepth);
    if (value.is_object()) {
      GrammarNode node{.kind = Kind::object};
      for (const auto& [name, one] : value.items()) {
        TRY(const NodeId part, constant(one, depth + 1));
        node.members.push_back({name, true, grammar_.add_member(name, part)});
      }
      return grammar_.add(std::move(node));
    }
    if (value.is_array()) {
      GrammarNode node{.kind = Kind::array};
      for (const Json& one : value) {
        TRY(const NodeId part, constant(one, depth + 1));
        node.parts.push_back(part);
      }
      node.min = node.max = static_cast<int32_t>(value.size());
      return grammar_.add(std::move(node));
    }
    return text(to_string(value));
  }

  // Members that are not listed are allowed when the schema says so, or lists none: a model that
  // makes up names helps nobody.
  NodeId object(const Shape& shape) {
    GrammarNode node{.kind = Kind::object};
    const bool is_open =
        (shape.tells_others || shape.properties.empty()) && !is_never(shape.others);
    std::vector<Property> properties = shape.properties;
    for (const std::string& name : shape.required) {
      const bool is_listed =
          std::any_of(properties.begin(), properties.end(),
                      [&](const Property& property) { return property.name == name; });
      if (!is_listed) properties.push_back({name, shape.others});
    }
    for (const Property& property : properties) {
      const bool is_required =
          std::count(shape.required.begin(), shape.required.end(), property.name) > 0;
      if (is_never(property.schemas) && !is_required) {
        // The name may not come; as a listed one it cannot come as another either.
        node.members.push_back({property.name, false, grammar_.add({})});
        continue;
      }
      node.members.push_back({property.name, is_required,
                              grammar_.add_member(property.name, node_of(property.schemas))});
    }
    if (is_open) node.rest = grammar_.add_other_member(node_of(shape.others));
    node.is_shallow = is_open && shape.others.empty() && properties.empty();
    node.min = narrow(shape.min_members);
    node.max = narrow(shape.max_members);
    if (is_open && node.max < 0)
      node.max = std::max(node.min, static_cast<int32_t>(properties.size()) + kMaxOtherMembers);
    return grammar_.add(std::move(node));
  }

  NodeId array(const Shape& shape) {
    GrammarNode node{.kind = Kind::array};
    for (const Conjunction& item : shape.prefix) node.parts.push_back(node_of(item));
    node.min = narrow(shape.min_items);
    node.max = narrow(shape.max_items);
    const auto n_prefix = static_cast<int32_t>(shape.prefix.size());
    const bool is_open =
        (shape.tells_items || n_prefix == 0 || node.min > n_prefix) && !is_never(shape.items);
    if (is_open) {
      node.rest = node_of(shape.items);
    } else {
      node.max = node.max < 0 ? n_prefix : std::min(node.max, n_prefix);
    }
    node.is_shallow = shape.items.empty() && n_prefix == 0;
    return grammar_.add(std::move(node));
  }

  Result<NodeId> string(const Shape& shape) {
    if (shape.max_length >= 0 && shape.min_length > shape.max_length) return grammar_.add({});
    if (shape.patterns.empty()) {
      return grammar_.add(
          {.kind = Kind::string, .min = narrow(shape.min_length), .max = narrow(shape.max_length)});
    }
    std::optional<Dfa> all;
    for (const StringPattern& pattern : shape.patterns) {
      const PatternMode mode = pattern.is_format ? PatternMode::whole : PatternMode::search;
      auto dfa = json_string_pattern_dfa(pattern.pattern, mode);
      if (!dfa) return bad_pattern(pattern, dfa.error());
      if (all) dfa = intersect(*all, *dfa);
      if (!dfa) return at_path(pattern.path, dfa.error());
      all = std::move(*dfa);
    }
    if (shape.min_length > 0 || shape.max_length >= 0) {
      auto lengths = json_string_length_dfa(shape.min_length, shape.max_length);
      if (!lengths) return at_path(shape.patterns[0].path, lengths.error());
      auto dfa = intersect(*all, *lengths);
      if (!dfa) return at_path(shape.patterns[0].path, dfa.error());
      all = std::move(*dfa);
    }
    TRY(const NodeId inside, add_dfa(std::move(*all), shape.patterns[0].path));
    return grammar_.add_sequence({text("\""), inside, text("\"")});
  }

  static Error bad_pattern(const StringPattern& pattern, const Error& error) {
    return Error{error.kind,
                 fmt::format("{}: the pattern {} {}", pattern.path,
                             json_quoted(pattern.pattern.substr(0, 100)), error.message)};
  }

  Result<NodeId> number(const Shape& shape) {
    if ((shape.types & kFraction) == 0) {
      TRY(const NodeId node, number_of(shape, integer_dfa(shape.range)));
      return node;
    }
    return number_of(shape, number_dfa(shape.range));
  }

  Result<NodeId> number_of(const Shape& shape, Result<Dfa> dfa) {
    const bool is_plain = !shape.range.minimum && !shape.range.maximum && shape.steps.empty();
    NodeId& known = (shape.types & kFraction) == 0 ? any_integer_ : any_number_;
    if (is_plain && known != kNoNode) return known;
    if (!dfa) return at_path(shape.range_path, dfa.error());
    for (const auto& [step, path] : shape.steps) {
      const auto multiples = multiple_dfa(step);
      if (!multiples) return at_path(path, multiples.error());
      dfa = intersect(*dfa, *multiples);
      if (!dfa) return at_path(path, dfa.error());
    }
    TRY(const NodeId node, add_dfa(std::move(dfa), shape.range_path));
    if (is_plain) known = node;
    return node;
  }

  Result<NodeId> add_dfa(Result<Dfa> dfa, const std::string& path) {
    if (!dfa) return at_path(path, dfa.error());
    dfa_states_ += dfa->size();
    if (dfa_states_ > kMaxDfaStates) {
      return fail(ErrorKind::too_large, "{}: the schema's patterns take more than {} states", path,
                  kMaxDfaStates);
    }
    return grammar_.add_dfa(std::move(*dfa));
  }

  static int32_t narrow(int64_t bound) { return static_cast<int32_t>(bound); }

  Grammar& grammar_;
  const JsonSchemaLimits limits_;
  ShapeMaker shapes_;
  std::map<Conjunction, NodeId> known_;
  std::deque<std::pair<NodeId, Conjunction>> waiting_;
  std::map<std::string, NodeId> texts_;
  NodeId any_integer_ = kNoNode, any_number_ = kNoNode;
  size_t dfa_states_ = 0;
};

}  // namespace

Result<NodeId> add_json_schema(Grammar& grammar, const Json& schema, std::string_view where,
                               const JsonSchemaLimits& limits) {
  const size_t bytes = to_string(schema).size();
  if (bytes > limits.max_bytes) {
    return fail(ErrorKind::too_large, "{} has {} bytes, at most {} are allowed", where, bytes,
                limits.max_bytes);
  }
  return Compiler(grammar, schema, where, limits).compile();
}

NodeId add_any_json_value(Grammar& grammar) {
  static const Json anything = true;
  return add_json_schema(grammar, anything, "value").value();
}

NodeId add_any_json_object(Grammar& grammar) {
  static const Json any_object = {{"type", "object"}};
  return add_json_schema(grammar, any_object, "object").value();
}

}  // namespace jiang
