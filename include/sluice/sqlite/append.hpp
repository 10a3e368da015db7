#pragma once
#include <string>
#include <vector>

#include "sluice/async/channel.hpp"
#include "sluice/async/cpu.hpp"
#include "sluice/async/task.hpp"
#include "sluice/data/batch.hpp"

namespace sluice::sqlite {

// Appends documents to a table of the SQLite file `path`, one transaction a batch; creates both if missing,
// with a column for each property named in `columns`. Numbers, strings and booleans are stored as such,
// objects and arrays as JSON text, absent properties as NULL. Throws Error naming file and table.
Task<> append(CpuPool& pool, std::string path, std::string table, std::vector<std::string> columns,
              Reader<Batch> in);

}  // namespace sluice::sqlite
