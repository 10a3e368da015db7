#include "uri.hpp"

#include <vector>

#include "sluice/base/text.hpp"

namespace sluice::runtime {
namespace {

bool is_scheme(std::string_view text) {
  auto alpha = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
  if (text.empty() || !alpha(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  });
}

// RFC 3986 §5.2.4.
std::string remove_dots(std::string_view path) {
  std::vector<std::string> out;
  std::vector<std::string> parts = text::split(path, '/');
  bool absolute = path.starts_with('/');
  for (std::size_t i = absolute ? 1 : 0; i < parts.size(); ++i) {
    bool last = i + 1 == parts.size();
    if (parts[i] == "..") {
      if (!out.empty()) out.pop_back();
      if (last) out.emplace_back();
    } else if (parts[i] == ".") {
      if (last) out.emplace_back();
    } else {
      out.push_back(parts[i]);
    }
  }
  std::string joined(absolute ? 1 : 0, '/');
  return joined.append(text::join(out, "/"));
}

std::string merge(const Uri& base, std::string_view path) {
  if (base.has_authority && base.path.empty()) return std::string("/").append(path);
  return std::string(base.path.substr(0, base.path.rfind('/') + 1)).append(path);
}

std::string compose(const Uri& uri) {
  std::string out;
  if (uri.has_scheme) out.append(uri.scheme).append(":");
  if (uri.has_authority) out.append("//").append(uri.authority);
  out.append(uri.path);
  if (uri.has_query) out.append("?").append(uri.query);
  if (uri.has_fragment) out.append("#").append(uri.fragment);
  return out;
}

}  // namespace

Uri Uri::split(std::string_view text) {
  Uri uri;
  if (auto at = text.find('#'); at != text.npos) {
    uri.has_fragment = true;
    uri.fragment = text.substr(at + 1);
    text = text.substr(0, at);
  }
  if (auto at = text.find('?'); at != text.npos) {
    uri.has_query = true;
    uri.query = text.substr(at + 1);
    text = text.substr(0, at);
  }
  if (auto at = text.find(':'); at != text.npos && is_scheme(text.substr(0, at))) {
    uri.has_scheme = true;
    uri.scheme = text.substr(0, at);
    text = text.substr(at + 1);
  }
  if (text.starts_with("//")) {
    auto end = text.find('/', 2);
    uri.has_authority = true;
    uri.authority = text.substr(2, end == text.npos ? text.npos : end - 2);
    text = end == text.npos ? std::string_view() : text.substr(end);
  }
  uri.path = text;
  return uri;
}

std::string resolve_uri(std::string_view base_text, std::string_view reference) {
  Uri base = Uri::split(base_text), uri = Uri::split(reference);
  std::string path;
  if (uri.has_scheme || uri.has_authority) {
    path = remove_dots(uri.path);
  } else if (uri.path.empty()) {
    path = base.path;
    if (!uri.has_query) uri.query = base.query, uri.has_query = base.has_query;
  } else {
    path = remove_dots(uri.path.starts_with('/') ? std::string(uri.path) : merge(base, uri.path));
  }
  if (!uri.has_scheme) {
    if (!uri.has_authority) uri.authority = base.authority, uri.has_authority = base.has_authority;
    uri.scheme = base.scheme, uri.has_scheme = base.has_scheme;
  }
  uri.path = path;
  return compose(uri);
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (auto byte = text::unhex(text.substr(i + 1, 2)); byte && byte->size() == 1) {
        out += *byte;
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

}  // namespace sluice::runtime
