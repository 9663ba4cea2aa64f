// The readable text of a web page (HTML5, by gumbo, whose header stays in the .cpp).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace jiang {

struct PageText {
  std::string title;
  std::string text;     // headings as "# ", list items as "- ", code and tables kept, links as text
  bool is_cut = false;  // the text is longer than max_bytes
};

// What people do not see is left out: scripts, styles, comments, hidden elements, attributes, and
// characters of no width. `html` is valid UTF-8. Walks without recursion; too_large for a page of
// more than a million nodes.
Result<PageText> page_text(std::string_view html, size_t max_bytes);

// Any page's bytes as UTF-8, by its Content-Type or its own <meta>; unsupported names the charset.
Result<std::string> page_utf8(std::string_view bytes, std::string_view content_type);

}  // namespace jiang
