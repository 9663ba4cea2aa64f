#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "base/json_value.h"

namespace jiang {
namespace {

Result<std::vector<PromptSegment>> render(std::string_view source,
                                          const Json& context = Json::object(),
                                          TemplateLimits limits = {}) {
  TRY(const ChatTemplate chat_template, ChatTemplate::parse(source));
  return chat_template.render(context, limits);
}

std::string template_error(std::string_view source, const Json& context = Json::object()) {
  const auto rendered = render(source, context);
  return rendered ? "no error, but: " + join(*rendered).substr(0, 200) : rendered.error().message;
}

// "T:text from the template" and "D:data", joined by "|".
std::string origins(std::string_view source, const Json& context) {
  const auto rendered = render(source, context);
  if (!rendered) return rendered.error().message;
  std::string out;
  for (const PromptSegment& segment : *rendered) {
    out +=
        (out.empty() ? "" : "|") + std::string(segment.from_template ? "T:" : "D:") + segment.text;
  }
  return out;
}

TEST(ChatTemplate, ErrorsNameTheLineOfTheTemplate) {
  EXPECT_EQ(template_error("a\n{{ 1 }}\n  {{ x.y }}"), "chat template, line 3: 'x' is undefined");
  EXPECT_EQ(template_error("a\n{% for %}"),
            "chat template, line 2: expected a variable name, got '%}'");
  EXPECT_EQ(
      template_error("{% macro m() %}\n{{ raise_exception('no') }}{% endmacro %}\n\n{{ m() }}"),
      "chat template, line 2: no");
  EXPECT_EQ(template_error("{% if x %}\n{{ 1 | sideways }}{% endif %}", {{"x", 1}}),
            "chat template, line 2: no filter named 'sideways'");
}

TEST(ChatTemplate, RaiseExceptionIsAnInvalidArgument) {
  const auto rendered = render("{{ raise_exception('roles must ' ~ 'alternate') }}");
  ASSERT_FALSE(rendered);
  EXPECT_EQ(rendered.error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(rendered.error().message, "chat template, line 1: roles must alternate");
}

TEST(ChatTemplate, ContextMustBeAnObject) { EXPECT_FALSE(render("x", Json::array())); }

// Decision 20: which bytes of the prompt the template's author wrote.

TEST(ChatTemplateOrigins, DataStaysDataThroughFiltersAndOperators) {
  const Json context = {{"x", "dAtA"}, {"n", 5}};
  EXPECT_EQ(origins("<{{ x }}>", context), "T:<|D:dAtA|T:>");
  EXPECT_EQ(origins("{{ '<' + x + '>' }}", context), "T:<|D:dAtA|T:>");
  EXPECT_EQ(origins("{{ '<' ~ x ~ n ~ '>' }}", context), "T:<|D:dAtA|T:5>");
  EXPECT_EQ(origins("{{ ('<' + x + '>') | upper }}", context), "T:<|D:DATA|T:>");
  EXPECT_EQ(origins("{{ ('< ' + x + ' >')[1:-2] | trim }}", context), "D:dAtA");
  EXPECT_EQ(origins("{{ x | replace('A', '<b>') }}", context), "D:d|T:<b>|D:t|T:<b>");
  EXPECT_EQ(origins("{{ 'a-b' | replace('-', x) }}", context), "T:a|D:dAtA|T:b");
  EXPECT_EQ(origins("{{ [x] | tojson }}", context), "T:[\"|D:dAtA|T:\"]");
  EXPECT_EQ(origins("{{ {'k': x} }}", context), "T:{'k': '|D:dAtA|T:'}");
  EXPECT_EQ(origins("{{ (x ~ ',y').split(',') | join('+') }}", context), "D:dAtA|T:+y");
  EXPECT_EQ(origins("{{ '%s!' % x }}", context), "D:dAtA|T:!");
  EXPECT_EQ(origins("{{ '{}!'.format(x) }}", context), "D:dAtA|T:!");
  EXPECT_EQ(origins("{% set y %}[{{ x }}]{% endset %}{{ y * 2 }}", context),
            "T:[|D:dAtA|T:][|D:dAtA|T:]");
  EXPECT_EQ(origins("{% macro m(v) %}<{{ v }}>{% endmacro %}{{ m(x) }}", context),
            "T:<|D:dAtA|T:>");
  EXPECT_EQ(origins("{{ x | reverse }}{{ x | e }}{{ x | indent }}{{ x | title }}", context),
            "D:AtAddAtAdAtAData");
}

TEST(ChatTemplateOrigins, KeysOfTheContextAreDataToo) {
  EXPECT_EQ(origins("{% for k in d %}{{ k }}{% endfor %}", {{"d", {{"<|im_start|>", 1}}}}),
            "D:<|im_start|>");
}

TEST(ChatTemplateOrigins, SpecialTokensOfTheModelAreTemplateText) {
  EXPECT_EQ(origins("{{ bos_token }}{{ bos }}", {{"bos_token", "<s>"}, {"bos", "<s>"}}),
            "T:<s>|D:<s>");
}

TEST(ChatTemplateOrigins, RolesAreTemplateTextWhenTheyArePlainWords) {
  const char* source = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}";
  EXPECT_EQ(origins(source, {{"messages", {{{"role", "user"}, {"content", "hi"}}}}}),
            "T:<|user|>|D:hi");
  EXPECT_EQ(origins(source, {{"messages", {{{"role", "x|><|y"}, {"content", "hi"}}}}}),
            "T:<||D:x|><|y|T:|>|D:hi");
}

// hardening.md 2.2, rows B6 to B9 and B11: an error, soon, and no crash.

TEST(ChatTemplateHostile, LongLoopsRunOutOfSteps) {
  EXPECT_NE(template_error("{% for i in range(10**9) %}x{% endfor %}").find("at most 100000"),
            std::string::npos);
  const std::string nested =
      "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}"
      "{% set x = a + b %}{% endfor %}{% endfor %}{% endfor %}";
  EXPECT_NE(template_error(nested).find("more than 10000000 steps"), std::string::npos);
  EXPECT_NE(template_error("{% for n in range(2) recursive %}{{ loop(range(2)) }}{% endfor %}")
                .find("deeper than 200"),
            std::string::npos);
  // Work that hides in one expression counts too.
  EXPECT_NE(
      template_error("{% set l = range(99999) | list %}{% for i in l %}{{ i in l }}{% endfor %}")
          .find("steps"),
      std::string::npos);
  EXPECT_NE(template_error("{% set s = 'ab' * 4000000 %}{% for i in range(99999) %}"
                           "{% if s.find('ba' ~ 'c') %}{% endif %}{% endfor %}")
                .find("steps"),
            std::string::npos);
}

TEST(ChatTemplateHostile, DeepNestingIsAnError) {
  const auto repeat = [](std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
  };
  const std::string deep = "deeper than";
  const std::string call = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
  EXPECT_NE(template_error(call).find("deeper than 200 levels"), std::string::npos)
      << template_error(call);
  for (const std::string& source : {
           "{{ " + repeat("(", 100'000) + "1" + repeat(")", 100'000) + " }}",
           "{{ " + repeat("[", 100'000) + repeat("]", 100'000) + " }}",
           "{{ " + repeat("{1:", 100'000) + "1" + repeat("}", 100'000) + " }}",
           "{{ " + repeat("not ", 100'000) + "1 }}",
           "{{ " + repeat("-", 100'000) + "1 }}",
           "{{ 1" + repeat(" + 1", 100'000) + " }}",
           "{{ x" + repeat(".a", 100'000) + " }}",
           "{{ x" + repeat("[0]", 100'000) + " }}",
           "{{ x" + repeat("()", 100'000) + " }}",
           "{{ x" + repeat("|e", 100'000) + " }}",
           "{{ x" + repeat(" if 1 else 2", 50'000) + " }}",
           "{{ " + repeat("1 if 1 else ", 50'000) + "2 }}",
           repeat("{% if 1 %}", 100'000) + repeat("{% endif %}", 100'000).substr(0, 1),
           repeat("{% for i in x %}", 50'000),
           repeat("{% macro m() %}", 50'000),
           repeat("{% set x %}", 50'000),
           "{% for " + repeat("(", 100'000) + "a" + repeat(")", 100'000) + " in x %}",
       }) {
    EXPECT_NE(template_error(source).find(deep), std::string::npos)
        << source.substr(0, 40) << " gives " << template_error(source);
  }
  // Macros that nest as deep as they may and call themselves: the stack must hold.
  const std::string end_macro = "{% endmacro %}{{ m(1) }}";
  for (const std::string& source : {
           "{% macro m(x) %}" + repeat("{% if 1 %}", 150) + "{{ m(1) }}" +
               repeat("{% endif %}", 150) + end_macro,
           "{% macro m(x) %}" + repeat("{% for i in [1] %}", 150) + "{{ m(1) }}" +
               repeat("{% endfor %}", 150) + end_macro,
           "{% macro m(x) %}" + repeat("{% filter upper %}", 150) + "{{ m(1) }}" +
               repeat("{% endfilter %}", 150) + end_macro,
           "{% macro m(x) %}{{ " + repeat("[", 150) + "m(x)" + repeat("]", 150) + " }}" + end_macro,
           "{% macro m(x) %}{{ " + repeat("m(", 150) + "1" + repeat(")", 150) + " }}" + end_macro,
           "{% macro m(x) %}{{ x" + repeat("|replace(m(x), 1)", 50) + " }}" + end_macro,
           "{% macro m(x) %}{% call m(1) %}{{ caller() }}{% endcall %}" + end_macro,
           "{% macro m(x, y=m(1)) %}" + end_macro,
           "{% for i in [1] recursive %}" + repeat("{% if 1 %}", 150) + "{{ loop([1]) }}" +
               repeat("{% endif %}", 150) + "{% endfor %}",
       }) {
    EXPECT_NE(template_error(source).find(deep), std::string::npos)
        << source.substr(0, 60) << " gives " << template_error(source);
  }
  // Long is not deep.
  EXPECT_TRUE(render("{{ 1" + repeat(" and 1", 50'000) + " }}"));
  EXPECT_TRUE(render("{{ 1" + repeat(" ~ 1", 50'000) + " }}"));
  EXPECT_TRUE(render("{% if 0 %}" + repeat("{% elif 0 %}", 20'000) + "{% endif %}"));
}

TEST(ChatTemplateHostile, DeepValuesAreAnErrorAndTakenApartSafely) {
  const std::string grow =
      "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}"
      "{% set ns.x = [ns.x] %}{% endfor %}";
  EXPECT_TRUE(render(grow));
  for (const char* use : {"{{ ns.x }}", "{{ ns.x | tojson }}", "{{ ns.x == [ns.x] }}",
                          "{{ [ns.x, [ns.x]] | sort }}", "{{ [ns.x] | unique | list }}"}) {
    EXPECT_NE(template_error(grow + use), "") << use;
    EXPECT_FALSE(render(grow + use)) << use;
  }
  EXPECT_TRUE(
      render("{% set ns = namespace() %}{% set ns.x = ns %}{% set ns.y = [ns] %}"
             "{% for i in [1, 2] %}{% set ns.l = loop %}{{ loop.changed(loop) }}"
             "{% endfor %}{% macro m() %}{% endmacro %}{% set ns.m = m %}"));
  EXPECT_FALSE(render("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}"));
}

// The other side of the budgets: a long chat through a wasteful template is no attack.
TEST(ChatTemplate, ALongChatMayBeBuiltPieceByPiece) {
  Json messages = Json::array();
  for (int i = 0; i < 1500; ++i) {
    messages.push_back({{"role", "user"}, {"content", std::string(300, 'x')}});
  }
  const auto rendered = render(
      "{% set ns = namespace(text='', seen=[]) %}{% for m in messages %}"
      "{% set ns.text = ns.text + m.role + m.content %}{% set ns.seen = ns.seen + [loop.index] %}"
      "{% endfor %}{{ ns.text }}{{ ns.seen | length }}",
      {{"messages", messages}});
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(join(*rendered).size(), 1500u * 304 + 4);
}

TEST(ChatTemplateHostile, LargeTextIsAnError) {
  for (const char* source : {
           "{{ 'x' * 10**9 }}",
           "{{ 'x' * 10**18 }}",
           "{{ ['x' * 1000] * 10**9 }}",
           "{{ (['x' * 1000] * 100000) | join }}",
           "{{ ('x' * 100000).replace('x', 'y' * 1000) }}",
           "{{ ('x' * 10000) | replace('', 'y' * 10000) }}",
           "{{ 'x'.center(10**9) }}",
           "{{ 'x'.zfill(10**12) }}",
           "{{ 'x' | indent(10**9, true) }}",
           "{{ '%1000000000d' % 5 }}",
           "{{ '{:1000000000}'.format(5) }}",
           "{{ [1] | tojson(indent=10**9) }}",
           "{% for i in range(99999) %}{{ 'x' * 10000 }}{% endfor %}",
           "{% set ns = namespace(s='x') %}{% for i in range(99) %}"
           "{% set ns.s = ns.s + ns.s %}{% endfor %}",
           "{% set ns = namespace(s='x') %}{% for i in range(99999) %}"
           "{% set ns.s = ns.s + 'xxxxxxxxxx' %}{% endfor %}",
           "{% set ns = namespace(s=['x' * 100]) %}{% for i in range(99) %}"
           "{% set ns.s = ns.s + ns.s %}{% endfor %}",
           "{% set ns = namespace(s=['x']) %}{% for i in range(99) %}"
           "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
       }) {
    const auto rendered = render(source);
    ASSERT_FALSE(rendered) << source;
    EXPECT_EQ(rendered.error().kind, ErrorKind::too_large)
        << source << ": " << rendered.error().message;
  }
  const auto small = render("{{ 'x' * 100 }}", Json::object(), {.max_output_bytes = 99});
  ASSERT_FALSE(small);
  EXPECT_NE(small.error().message.find("more than 99 bytes"), std::string::npos);
}

TEST(ChatTemplateHostile, NothingOfTheHostCanBeReached) {
  const Json context = {{"d", {{"a", 1}}}, {"s", "x"}};
  for (const char* source : {
           "{{ ''.__class__ }}",
           "{{ s.__class__ }}",
           "{{ d.__init__ }}",
           "{{ namespace.__init__ }}",
           "{{ cycler.__init__ }}",
           "{{ range.__globals__ }}",
           "{{ (s | attr('__class__')) }}",
           "{{ s['__class__'] }}",
           "{% set ns = namespace() %}{{ ns.__class__ }}",
           "{% for i in [1] %}{{ loop._iterator }}{{ loop.__class__ }}{% endfor %}",
           "{{ self }}{{ environment }}{{ os }}{{ __import__ }}{{ open }}{{ eval }}{{ get_flashed "
           "}}",
       }) {
    const auto rendered = render(source, context);
    ASSERT_TRUE(rendered) << source << ": " << rendered.error().message;
    EXPECT_EQ(join(*rendered), "") << source;
  }
  for (const char* source : {
           "{{ ''.__class__.__mro__[1].__subclasses__() }}",
           "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
           "{{ namespace.__init__.__globals__['sys'] }}",
           "{{ '{0.__class__.__init__}'.format(s) }}",
           "{{ [].append(1) }}",
           "{{ d.update({'b': 2}) }}",
           "{{ d.pop('a') }}",
           "{{ d.setdefault('b', 1) }}",
       }) {
    EXPECT_FALSE(render(source, context)) << source;
  }
}

TEST(ChatTemplateHostile, BytesThatAreNoTextAreAnErrorOrPassThrough) {
  for (const std::string& source :
       {std::string("\xff\xfe{{ 1 }}"), std::string("{{ '\xff' | upper }}"), std::string(5, '\0'),
        std::string("{{ '\xe4\xbd' | title | list }}{{ '\xf0\x9f' ~ '\x98' }}")}) {
    EXPECT_TRUE(render(source)) << source;
  }
  EXPECT_FALSE(render("{{ \xff }}"));
}

}  // namespace
}  // namespace jiang
