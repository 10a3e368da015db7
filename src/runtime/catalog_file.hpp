#pragma once
#include <string>

#include "document.hpp"

namespace sluice::runtime {

struct CatalogFile {
  std::string path;
  Value root;
};

// `reference` as written in `file`, as a path that can be read from here.
std::string relative_to(const std::string& file, const std::string& reference);

// A schema as JSON text with the schemas of other files that it refers to bundled into its $defs. `file` is
// where it stands; `root` the folder that names of bundled schemas are relative to.
using ReadDocument = std::function<const Value&(const std::string& path, const Place& from)>;
std::string bundle_schema(Value schema, const std::string& file, const std::string& root,
                          const ReadDocument& read);

}  // namespace sluice::runtime
