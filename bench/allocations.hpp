#pragma once
#include <cstddef>

// Calls of operator new since the program started; linking allocations.cpp counts them.
std::size_t allocations();
