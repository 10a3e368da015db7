#include "connectors.hpp"

#include <fmt/format.h>

#include "materialize_sqlite.hpp"
#include "sluice/base/error.hpp"
#include "source-postgres/source_postgres.hpp"

namespace sluice::tools {
namespace {

using runtime::Endpoint;

// "ghcr.io/acme/source-postgres:v3" is source-postgres.
std::string image_name(std::string_view image) {
  image = image.substr(image.rfind('/') + 1);
  image = image.substr(0, image.find('@'));
  return std::string(image.substr(0, image.find(':')));
}

bool linked_in(const Endpoint& endpoint, std::string_view name) {
  return endpoint.kind == Endpoint::Kind::image && image_name(endpoint.image) == name;
}

}  // namespace

std::unique_ptr<protocol::Capture> make_capture(Context& context, const Endpoint& endpoint,
                                                const ConnectorOptions& options) {
  if (linked_in(endpoint, "source-postgres")) return source_postgres::make_source_postgres(context);
  (void)options;
  throw Error(Error::Kind::config, "this connector is not linked in");
}

std::unique_ptr<protocol::Materialize> make_materialize(Context& context, const Endpoint& endpoint,
                                                        const ConnectorOptions& options) {
  if (linked_in(endpoint, "materialize-sqlite")) return make_materialize_sqlite(context);
  (void)options;
  throw Error(Error::Kind::config, "this connector is not linked in");
}

}  // namespace sluice::tools
