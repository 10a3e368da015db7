#include <filesystem>
#include <set>

#include "catalog_file.hpp"
#include "uri.hpp"

namespace sluice::runtime {
namespace {

namespace fs = std::filesystem;

// Names a file in `$id` and `$ref` without telling where on the machine it lies.
std::string url_of(const std::string& path, const std::string& root) {
  std::string out = "file://";
  for (const fs::path& part : fs::path(path).lexically_relative(root.empty() ? "." : root))
    out.append("/").append(part == ".." ? "_up_" : part.string());
  return out;
}

class Bundler {
 public:
  Bundler(const std::string& root, const ReadDocument& read) : root_(root), read_(read) {}

  void run(Value& schema, const std::string& file) {
    visit(schema, file);
    if (bundled_.members.empty()) return;
    Value& defs = schema["$defs"];
    if (!defs.is(json::Kind::object)) defs = Value::object();
    for (auto& [url, value] : bundled_.members) defs[url] = std::move(value);
  }

 private:
  void visit(Value& value, const std::string& file) {
    for (Value& item : value.items) visit(item, file);
    for (auto& [key, member] : value.members) {
      if (key == "$ref" && member.is(json::Kind::string))
        refer(member, file);
      else if (key != "const" && key != "enum" && key != "default" && key != "examples")
        visit(member, file);
    }
  }

  void refer(Value& ref, const std::string& file) {
    Uri uri = Uri::split(ref.text);
    if (uri.has_scheme || uri.has_authority || uri.path.empty()) return;
    std::string path = relative_to(file, percent_decode(uri.path));
    std::string url = embed(path, {file, ref.line});
    if (uri.has_fragment) url.append("#").append(uri.fragment);
    ref.text = std::move(url);
  }

  // The URL under which the file is found in $defs.
  std::string embed(const std::string& path, const Place& from) {
    Value value = read_(path, from);
    std::string url = url_of(path, root_);
    // A schema that names itself keeps its name; only files that do not are known by their path.
    const Value* id = value.find("$id");
    bool named = id && id->is(json::Kind::string) && Uri::split(id->text).has_scheme;
    if (named) url = id->text;
    if (!seen_.insert(url).second) return url;
    visit(value, path);
    if (!value.is(json::Kind::object)) {
      Value wrapped = Value::object();
      wrapped["allOf"] = Value::array();
      wrapped["allOf"].items.push_back(std::move(value));
      value = std::move(wrapped);
    }
    if (!named) value["$id"] = Value::of_string(url);
    bundled_[url] = std::move(value);
    return url;
  }

  const std::string& root_;
  const ReadDocument& read_;
  std::set<std::string> seen_;
  Value bundled_ = Value::object();
};

}  // namespace

std::string relative_to(const std::string& file, const std::string& reference) {
  fs::path path(reference);
  if (path.is_relative()) path = fs::path(file).parent_path() / path;
  return path.lexically_normal().string();
}

std::string bundle_schema(Value schema, const std::string& file, const std::string& root,
                          const ReadDocument& read) {
  // With a name of its own, its references are relative to that and not to the file.
  const Value* id = schema.find("$id");
  if (!id || !Uri::split(id->text).has_scheme) Bundler(root, read).run(schema, file);
  return to_json(schema);
}

}  // namespace sluice::runtime
