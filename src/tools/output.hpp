#pragma once
#include <filesystem>
#include <string_view>

namespace sluice::tools {

// Thrown when nobody reads standard output any more, as after `| head`: no error, but the end.
struct OutputClosed {};

// To standard output. What cannot be written throws Error or OutputClosed, at the latest from
// finish_output().
void write_output(std::string_view text);
void print(std::string_view line);
void finish_output();

// Replaces the file at once and for good; it is readable for its owner only. What is no regular file, as
// /dev/stdout, is written to. Throws Error{config}.
void write_private_file(const std::filesystem::path& path, std::string_view text);

}  // namespace sluice::tools
