#!/bin/sh
# usage: installed.sh BUILD SOURCE: builds the example against an installed copy, outside of the tree, and runs it.
set -eu
build=$1 source=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

meson install -C "$build" --no-rebuild --destdir "$folder/root" > "$folder/install.log"
pc=$(find "$folder/root" -name sluice.pc)
prefix=${pc%/lib*}
for program in sluice source-postgres materialize-sqlite; do
  [ -x "$prefix/bin/$program" ]
done
[ ! -e "$prefix/include/sluice/testing" ]

mkdir "$folder/outside"
cp "$source/examples/folder_to_sqlite.cpp" "$folder/outside/"
cd "$folder/outside"
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046  # lists of flags
${CXX:-c++} -O1 folder_to_sqlite.cpp $(pkg-config "--define-variable=prefix=$prefix" --cflags --libs sluice) -o folder_to_sqlite
mkdir logs
printf '2026-01-31 INFO installed\n' > logs/a.log
./folder_to_sqlite logs out.db
[ "$(sqlite3 out.db 'SELECT text FROM log')" = installed ]

version=$("$prefix/bin/materialize-sqlite" --version)
case $version in *"$(pkg-config --modversion sluice)"*) ;; *) echo "version: $version" >&2; exit 1 ;; esac
