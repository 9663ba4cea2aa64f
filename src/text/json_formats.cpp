#include "text/json_formats.h"

#include <algorithm>
#include <array>
#include <string>

namespace jiang {
namespace {

// Days of each month; the 29th of February in leap years only.
#define JIANG_DATE                                                      \
  "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"       \
  "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" \
  "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
#define JIANG_TIME                                               \
  "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?" \
  "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define JIANG_OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define JIANG_IPV4 JIANG_OCTET "(?:\\." JIANG_OCTET "){3}"
#define JIANG_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define JIANG_SHORT_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
#define JIANG_H16 "[0-9A-Fa-f]{1,4}"
#define JIANG_URI_CHARACTER "(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})"

struct Format {
  std::string_view name, pattern;
};

constexpr std::array<Format, 12> kFormats = {{
    {"date", JIANG_DATE},
    {"time", JIANG_TIME},
    {"date-time", JIANG_DATE "[Tt]" JIANG_TIME},
    {"duration",
     "P(?:(?:[0-9]{1,6}D|[0-9]{1,6}M(?:[0-9]{1,6}D)?|[0-9]{1,6}Y(?:[0-9]{1,6}M(?:[0-9]{1,6}D)?)?)"
     "(?:T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))?"
     "|"
     "T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S)|"
     "[0-9]{1,6}W)"},
    {"uuid", "[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"},
    {"email",
     "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,32}(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,16}){0,2}"
     "@" JIANG_SHORT_LABEL "(?:\\." JIANG_SHORT_LABEL "){1,3}"},
    {"ipv4", JIANG_IPV4},
    {"ipv6",
     "(?:" JIANG_H16 ":){7}" JIANG_H16 "|::|::(?:" JIANG_H16 ":){0,6}" JIANG_H16 "|"
     "(?:" JIANG_H16 ":){1,7}:|" JIANG_H16 ":(?::" JIANG_H16 "){1,6}|"
     "(?:" JIANG_H16 ":){2}(?::" JIANG_H16 "){1,5}|(?:" JIANG_H16 ":){3}(?::" JIANG_H16 "){1,4}|"
     "(?:" JIANG_H16 ":){4}(?::" JIANG_H16 "){1,3}|(?:" JIANG_H16 ":){5}(?::" JIANG_H16 "){1,2}|"
     "(?:" JIANG_H16 ":){6}:" JIANG_H16},
    {"hostname", JIANG_LABEL "(?:\\." JIANG_SHORT_LABEL "){0,4}"},
    {"uri", "[A-Za-z][A-Za-z0-9+.-]{0,15}:" JIANG_URI_CHARACTER "{1,200}(?:#" JIANG_URI_CHARACTER
            "{0,50})?"},
    {"uri-reference", JIANG_URI_CHARACTER "{0,200}(?:#" JIANG_URI_CHARACTER "{0,50})?"},
    {"json-pointer", "(?:/(?:[^~/]|~[01])*)*"},
}};

constexpr std::array<std::string_view, 7> kAnnotations = {"int32",    "int64",  "float", "double",
                                                          "password", "binary", "byte"};

}  // namespace

std::string_view json_format_pattern(std::string_view format) {
  for (const Format& known : kFormats) {
    if (known.name == format) return known.pattern;
  }
  return "";
}

bool is_annotation_format(std::string_view format) {
  return std::find(kAnnotations.begin(), kAnnotations.end(), format) != kAnnotations.end();
}

}  // namespace jiang
