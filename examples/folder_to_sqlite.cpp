#include "sluice/sluice.hpp"

using namespace sluice;

// "2026-01-31 ERROR disk is full" becomes {"day":"2026-01-31","level":"ERROR","text":"disk is full"}.
Batch parse(Batch lines) {
  Batch documents;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines.doc(i).json;
    std::size_t day = std::min(line.find(' '), line.size());
    std::size_t level = std::min(line.find(' ', day + 1), line.size());
    json::Writer document(documents.text());
    document.begin_object().key("day").string(line.substr(0, day));
    if (level > day) document.key("level").string(line.substr(day + 1, level - day - 1));
    if (level < line.size()) document.key("text").string(line.substr(level + 1));
    document.end_object();
    documents.commit();
  }
  return documents;
}

Task<> load(Context& context, std::vector<std::string> arguments) {
  FlowOptions options(context.executor);
  std::vector<std::string> columns{"day", "level", "text"};
  co_await (from(options, files::list, arguments.at(0)) | through(files::lines, context.cpu) |
            through(map_on_cpu<Batch, Batch>, context.cpu, parse) |
            into(sqlite::append, context.cpu, arguments.at(1), "log", columns));
}

int main(int argc, char** argv) { return run_program(argc, argv, load, "FOLDER DATABASE"); }
