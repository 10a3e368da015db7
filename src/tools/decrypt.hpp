#pragma once
#include <string>

#include "sluice/runtime/catalog.hpp"

namespace sluice::tools {

// How catalogs are loaded: configurations that sops has encrypted are decrypted by the shell command, if
// there is one, which gets each as JSON on standard input and writes it in clear.
runtime::LoadOptions load_options(const std::string& decrypt_command);

}  // namespace sluice::tools
