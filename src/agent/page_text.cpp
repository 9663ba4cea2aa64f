#include "agent/page_text.h"

#include <gumbo.h>
#include <iconv.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "base/unicode.h"

namespace jiang {
namespace {

constexpr size_t kMaxNodes = 1'000'000;

bool is_hidden(const GumboElement& element) {
  switch (element.tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_BUTTON:
      return true;
    default:
      break;
  }
  if (gumbo_get_attribute(&element.attributes, "hidden")) return true;
  const GumboAttribute* aria = gumbo_get_attribute(&element.attributes, "aria-hidden");
  if (aria && std::string_view(aria->value) == "true") return true;
  const GumboAttribute* style = gumbo_get_attribute(&element.attributes, "style");
  if (!style) return false;
  std::string text;
  for (const char c : std::string_view(style->value)) {
    if (c != ' ') text.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  for (const char* how : {"display:none", "visibility:hidden", "font-size:0", "opacity:0;"}) {
    if (text.find(how) != std::string::npos) return true;
  }
  return text.ends_with("opacity:0");
}

bool is_block(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_P:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_LI:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_TR:
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_H1:
    case GUMBO_TAG_H2:
    case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
    case GUMBO_TAG_BR:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_MAIN:
      return true;
    default:
      return false;
  }
}

const char* prefix_of(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_H1:
      return "# ";
    case GUMBO_TAG_H2:
      return "## ";
    case GUMBO_TAG_H3:
      return "### ";
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
      return "#### ";
    case GUMBO_TAG_LI:
      return "- ";
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
      return "| ";
    default:
      return "";
  }
}

// Zero-width and tag characters, with which text is hidden from people but not from a model.
bool is_invisible(char32_t c) {
  return c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF || (c >= 0xE0000 && c <= 0xE0FFF) ||
         (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F;
}

class Writer {
 public:
  explicit Writer(size_t max_bytes) : max_bytes_(max_bytes) {}

  bool is_full() const { return out_.size() > max_bytes_; }
  void add(std::string_view text, bool preformatted) {
    while (!text.empty() && !is_full()) {
      const DecodedCodePoint c = decode_utf8(text);
      const std::string_view bytes = text.substr(0, static_cast<size_t>(c.length));
      text.remove_prefix(static_cast<size_t>(c.length));
      if (is_invisible(c.code_point)) continue;
      if (!preformatted && (is_whitespace(c.code_point) || c.code_point == '\n')) {
        wants_space_ = !out_.empty() && out_.back() != '\n' && out_.back() != ' ';
        continue;
      }
      if (wants_space_) out_.push_back(' ');
      wants_space_ = false;
      out_ += bytes;
    }
  }
  void line() {
    wants_space_ = false;
    while (!out_.empty() && out_.back() == ' ') out_.pop_back();
    if (!out_.empty() && !out_.ends_with("\n\n")) out_.push_back('\n');
  }
  void mark(const char* prefix) { out_ += prefix; }
  PageText finish(std::string title) {
    PageText page = {.title = std::move(title), .text = std::move(out_), .is_cut = is_full()};
    if (page.text.size() > max_bytes_) {
      page.is_cut = true;
      page.text.resize(complete_utf8_prefix(std::string_view(page.text).substr(0, max_bytes_)));
    }
    while (page.text.ends_with('\n')) page.text.pop_back();
    return page;
  }

 private:
  const size_t max_bytes_;
  std::string out_;
  bool wants_space_ = false;
};

struct FreeOutput {
  void operator()(GumboOutput* output) const {
    gumbo_destroy_output(&kGumboDefaultOptions, output);
  }
};

// gumbo's destructor recurses; a page that is too deep for it is refused before it is parsed.
bool is_too_deep(std::string_view html) {
  // An upper bound: tags that were opened, less those that were closed.
  int64_t depth = 0;
  for (size_t i = 0; i + 1 < html.size(); ++i) {
    if (html[i] != '<') continue;
    if (html[i + 1] == '/') {
      --depth;
    } else if (std::isalpha(static_cast<unsigned char>(html[i + 1]))) {
      ++depth;
    }
    if (depth > 20'000) return true;
  }
  return false;
}

}  // namespace

Result<PageText> page_text(std::string_view html, size_t max_bytes) {
  if (is_too_deep(html)) {
    return fail(ErrorKind::too_large, "the page nests its elements too deeply to be read");
  }
  const std::unique_ptr<GumboOutput, FreeOutput> output(
      gumbo_parse_with_options(&kGumboDefaultOptions, html.data(), html.size()));
  if (!output) return fail(ErrorKind::bad_file, "the page could not be read as HTML");

  struct Visit {
    const GumboNode* node;
    unsigned next_child = 0;
    bool in_pre = false;
  };
  Writer writer(max_bytes);
  std::string title;
  std::vector<Visit> stack = {{output->root}};
  size_t n_nodes = 0;
  while (!stack.empty() && !writer.is_full()) {
    Visit& visit = stack.back();
    const GumboElement& element = visit.node->v.element;
    if (visit.next_child == 0) {
      if (is_block(element.tag)) writer.line();
      writer.mark(prefix_of(element.tag));
    }
    if (visit.next_child == element.children.length) {
      if (is_block(element.tag)) writer.line();
      stack.pop_back();
      continue;
    }
    const auto* child = static_cast<const GumboNode*>(element.children.data[visit.next_child++]);
    if (++n_nodes > kMaxNodes) {
      return fail(ErrorKind::too_large, "the page has more than {} elements", kMaxNodes);
    }
    if (child->type == GUMBO_NODE_TEXT || child->type == GUMBO_NODE_WHITESPACE) {
      writer.add(child->v.text.text, visit.in_pre);
    } else if (child->type == GUMBO_NODE_ELEMENT) {
      const GumboElement& inner = child->v.element;
      if (inner.tag == GUMBO_TAG_HEAD) {
        for (unsigned i = 0; i < inner.children.length; ++i) {
          const auto* node = static_cast<const GumboNode*>(inner.children.data[i]);
          if (node->type != GUMBO_NODE_ELEMENT || node->v.element.tag != GUMBO_TAG_TITLE) continue;
          Writer words(300);
          for (unsigned j = 0; j < node->v.element.children.length; ++j) {
            const auto* text = static_cast<const GumboNode*>(node->v.element.children.data[j]);
            if (text->type == GUMBO_NODE_TEXT) words.add(text->v.text.text, false);
          }
          title = words.finish("").text;
        }
      } else if (!is_hidden(inner)) {
        // `visit` is not touched after this: the vector may move.
        stack.push_back({child, 0, visit.in_pre || inner.tag == GUMBO_TAG_PRE});
      }
    }
  }
  return writer.finish(std::move(title));
}

Result<std::string> page_utf8(std::string_view bytes, std::string_view content_type) {
  std::string charset;
  const auto look_in = [&](std::string_view text) {
    const std::string lower = to_lower(text);
    const size_t at = lower.find("charset=");
    if (at == std::string::npos || !charset.empty()) return;
    for (size_t i = at + 8; i < lower.size() && charset.size() < 40; ++i) {
      const char c = lower[i];
      if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_') {
        charset.push_back(c);
      } else if (!charset.empty()) {
        break;
      }
    }
  };
  look_in(content_type);
  look_in(replace_invalid_utf8(bytes.substr(0, 1024)));
  if (charset.empty() || charset == "utf-8" || charset == "utf8" || charset == "us-ascii") {
    return replace_invalid_utf8(bytes);
  }
  // What pages call GB2312 is often GB18030, which contains it.
  if (charset == "gb2312" || charset == "gbk") charset = "gb18030";
  if (charset == "iso-8859-1" || charset == "latin1") charset = "windows-1252";
  const iconv_t converter = iconv_open("UTF-8", charset.c_str());
  if (converter == reinterpret_cast<iconv_t>(-1)) {
    return fail(ErrorKind::unsupported, "the page is written in {}, which is not known", charset);
  }
  std::string out;
  std::string in(bytes);
  char* from = in.data();
  size_t left = in.size();
  char buffer[8192];
  while (left > 0) {
    char* to = buffer;
    size_t room = sizeof(buffer);
    const size_t result = iconv(converter, &from, &left, &to, &room);
    out.append(buffer, sizeof(buffer) - room);
    if (result == static_cast<size_t>(-1) && errno != E2BIG) {
      out += "\xEF\xBF\xBD";  // a byte that is none of this charset
      if (left > 0) {
        ++from;
        --left;
      }
    }
  }
  iconv_close(converter);
  return replace_invalid_utf8(out);
}

}  // namespace jiang
