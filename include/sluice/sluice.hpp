#pragma once
// What a pipeline in code usually needs. Programs that mind their compile time include the parts.
#include "sluice/async/context.hpp"
#include "sluice/async/program.hpp"
#include "sluice/async/scope.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"
#include "sluice/data/batch.hpp"
#include "sluice/files/folder.hpp"
#include "sluice/json/write.hpp"
#include "sluice/pipeline/flow.hpp"
#include "sluice/pipeline/stages.hpp"
#include "sluice/sqlite/append.hpp"
