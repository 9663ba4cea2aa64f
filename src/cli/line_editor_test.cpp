#include "cli/line_editor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace jiang {
namespace {

struct Typist {
  std::vector<std::string> history;
  LineEditor editor{history};
  KeyDecoder decoder;
  EditOutcome last = EditOutcome::changed;

  // Bytes as a terminal sends them.
  Typist& type(std::string_view bytes) {
    for (const Key& key : decoder.feed(bytes)) last = editor.handle(key);
    for (const Key& key : decoder.flush()) last = editor.handle(key);
    return *this;
  }
  // The text with '|' at the cursor.
  std::string state() const {
    std::string text = editor.text();
    return text.insert(editor.cursor(), "|");
  }
};

constexpr const char* kLeft = "\033[D";
constexpr const char* kRight = "\033[C";
constexpr const char* kUp = "\033[A";
constexpr const char* kDown = "\033[B";

TEST(LineEditor, TypesMovesAndDeletes) {
  Typist t;
  t.type("hello").type(kLeft).type(kLeft).type("X");
  EXPECT_EQ(t.state(), "helX|lo");
  t.type("\x7f");
  EXPECT_EQ(t.state(), "hel|lo");
  t.type("\x01");  // Ctrl-A
  EXPECT_EQ(t.state(), "|hello");
  t.type("\033[3~");  // Delete
  EXPECT_EQ(t.state(), "|ello");
  t.type("\x05!");  // Ctrl-E
  EXPECT_EQ(t.state(), "ello!|");
  t.type(kRight);
  EXPECT_EQ(t.state(), "ello!|");
}

TEST(LineEditor, WideAndCombinedCharactersAreOneStep) {
  Typist t;
  t.type("\u4f60\u597da\u0301\U0001F468\u200D\U0001F469\u200D\U0001F467");
  t.type(kLeft);
  EXPECT_EQ(t.state(), "\u4f60\u597da\u0301|\U0001F468\u200D\U0001F469\u200D\U0001F467");
  t.type("\x7f");
  EXPECT_EQ(t.state(), "\u4f60\u597d|\U0001F468\u200D\U0001F469\u200D\U0001F467");
  t.type("\x7f\x7f");
  EXPECT_EQ(t.state(), "|\U0001F468\u200D\U0001F469\u200D\U0001F467");
}

TEST(LineEditor, KillsWordsAndLines) {
  Typist t;
  t.type("one two  three").type("\x17");  // Ctrl-W
  EXPECT_EQ(t.state(), "one two  |");
  t.type("\x19");  // Ctrl-Y
  EXPECT_EQ(t.state(), "one two  three|");
  t.type("\033b\033b");  // Alt-B
  EXPECT_EQ(t.state(), "one |two  three");
  t.type("\033f");  // Alt-F
  EXPECT_EQ(t.state(), "one two|  three");
  t.type("\x0b");  // Ctrl-K
  EXPECT_EQ(t.state(), "one two|");
  t.type("\033b\x15");  // Ctrl-U
  EXPECT_EQ(t.state(), "|two");
  t.type("\033[1;5C");  // Ctrl-Right
  EXPECT_EQ(t.state(), "two|");
}

TEST(LineEditor, HistoryKeepsTheDraft) {
  Typist t;
  t.history = {"first", "second"};
  t.type("draft").type(kUp);
  EXPECT_EQ(t.state(), "second|");
  t.type(kUp).type(kUp);
  EXPECT_EQ(t.state(), "first|");
  t.type(kDown).type(kDown).type(kDown);
  EXPECT_EQ(t.state(), "draft|");
}

TEST(LineEditor, ControlKeysHaveTheirOutcome) {
  EXPECT_EQ(Typist().type("hi\r").last, EditOutcome::submitted);
  EXPECT_EQ(Typist().type("hi\n").last, EditOutcome::submitted);
  EXPECT_EQ(Typist().type("\x03").last, EditOutcome::interrupted);
  EXPECT_EQ(Typist().type("\x04").last, EditOutcome::left);
  EXPECT_EQ(Typist().type("\x0c").last, EditOutcome::clear_screen);
  Typist t;
  t.type("ab").type(kLeft).type("\x04");  // Ctrl-D in a text deletes
  EXPECT_EQ(t.state(), "a|");
}

TEST(LineEditor, TripleQuotesHoldSeveralLines) {
  Typist t;
  t.type("\"\"\"one\r");
  EXPECT_EQ(t.last, EditOutcome::changed);
  t.type("two\"\"\"\r");
  EXPECT_EQ(t.last, EditOutcome::submitted);
  EXPECT_EQ(unquote_multiline(t.editor.text()), "one\ntwo");
  EXPECT_EQ(unquote_multiline("\"\"\"\none\ntwo\n\"\"\""), "one\ntwo");
  EXPECT_EQ(unquote_multiline("\"\"\"one line\"\"\""), "one line");
  EXPECT_EQ(unquote_multiline("say \"\"\"x\"\"\""), "say \"\"\"x\"\"\"");
  EXPECT_TRUE(is_open_multiline("\"\"\""));
  EXPECT_TRUE(is_open_multiline("\"\"\"\"\""));
  EXPECT_FALSE(is_open_multiline("\"\"\"\"\"\""));
}

TEST(LineEditor, BracketedPasteNeverSubmits) {
  Typist t;
  t.type("\033[200~line 1\r\nline 2\rline\t3\x03\033[31m\033[201~");
  EXPECT_EQ(t.last, EditOutcome::changed);
  EXPECT_EQ(t.editor.text(), "line 1\nline 2\nline\t3[31m");
  t.type("\r");
  EXPECT_EQ(t.last, EditOutcome::submitted);
}

TEST(LineEditor, UpAndDownMoveInsideATextFirst) {
  Typist t;
  t.history = {"old"};
  t.type("\033[200~abcd\nef\nghij\033[201~").type(kUp);
  EXPECT_EQ(t.state(), "abcd\nef|\nghij");
  t.type(kUp);
  EXPECT_EQ(t.state(), "ab|cd\nef\nghij");
  t.type(kUp);
  EXPECT_EQ(t.state(), "old|");
}

TEST(KeyDecoder, HoldsWhatIsCutOff) {
  KeyDecoder decoder;
  EXPECT_TRUE(decoder.feed("\xe4\xbd").empty());
  auto keys = decoder.feed("\xa0");
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].text, "\u4f60");
  EXPECT_TRUE(decoder.feed("\033").empty());
  EXPECT_TRUE(decoder.is_waiting());
  EXPECT_TRUE(decoder.feed("[").empty());
  keys = decoder.feed("D");
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].kind, KeyKind::left);
  EXPECT_TRUE(decoder.feed("\033").empty());
  EXPECT_EQ(decoder.flush().size(), 1u);
  EXPECT_FALSE(decoder.is_waiting());
}

TEST(KeyDecoder, PasteEndMayComeInPieces) {
  const std::string bytes = "\033[200~some text\033[201~x";
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    KeyDecoder decoder;
    auto keys = decoder.feed(bytes.substr(0, cut));
    for (auto& key : decoder.feed(bytes.substr(cut))) keys.push_back(key);
    keys.erase(std::remove_if(keys.begin(), keys.end(),
                              [](const Key& k) { return k.kind == KeyKind::ignored; }),
               keys.end());
    ASSERT_EQ(keys.size(), 2u) << cut;
    EXPECT_EQ(keys[0].kind, KeyKind::paste);
    EXPECT_EQ(keys[0].text, "some text");
    EXPECT_EQ(keys[1].text, "x");
  }
}

TEST(KeyDecoder, AnyBytesAreHarmless) {
  uint32_t state = 1;
  KeyDecoder decoder;
  std::vector<std::string> history{"a\nb", "c"};
  LineEditor editor(history);
  for (int i = 0; i < 20000; ++i) {
    state = state * 1664525 + 1013904223;
    const char byte = static_cast<char>(state >> 24);
    for (const Key& key : decoder.feed({&byte, 1})) editor.handle(key);
    if (i % 7 == 0) {
      for (const Key& key : decoder.flush()) editor.handle(key);
    }
    ASSERT_LE(editor.cursor(), editor.text().size());
    if (i % 100 == 0) layout_line(Prompts(), editor.text(), editor.cursor(), 1 + i % 13);
  }
}

// Rows as "text" or "text\n" where a line ends, then the cursor.
std::string drawn(std::string_view text, size_t cursor, size_t columns) {
  const LineLayout layout = layout_line(Prompts(), text, cursor, columns);
  std::string out;
  for (const auto& row : layout.rows) out += "[" + row.text + "]";
  return out + " " + std::to_string(layout.cursor_row) + "," + std::to_string(layout.cursor_column);
}

TEST(LineLayout, WrapsAsATerminalDoes) {
  EXPECT_EQ(drawn("", 0, 20), "[>>> ] 0,4");
  EXPECT_EQ(drawn("abc", 3, 20), "[>>> abc] 0,7");
  EXPECT_EQ(drawn("abcdef", 5, 8), "[>>> abcd][ef] 1,1");
  // The cursor behind a full row stands on the next one.
  EXPECT_EQ(drawn("abcd", 4, 8), "[>>> abcd][] 1,0");
  // Two columns do not fit into the last one.
  EXPECT_EQ(drawn("abc\u4f60", 3, 8), "[>>> abc][\u4f60] 1,0");
  EXPECT_EQ(drawn("\u4f60\u597d", 3, 80), "[>>> \u4f60\u597d] 0,6");
  EXPECT_EQ(drawn("ab\ncd", 4, 20), "[>>> ab][... cd] 1,5");
  EXPECT_EQ(drawn("ab\ncd", 2, 20), "[>>> ab][... cd] 0,6");
  EXPECT_EQ(drawn("a\tb", 2, 20), "[>>> a    b] 0,9");
  EXPECT_EQ(drawn("\U0001F468\u200D\U0001F469\u200D\U0001F467x", 18, 20),
            "[>>> \U0001F468\u200D\U0001F469\u200D\U0001F467x] 0,6");
}

}  // namespace
}  // namespace jiang
