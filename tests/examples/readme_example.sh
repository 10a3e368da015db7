#!/bin/sh
# usage: readme_example.sh SOURCE_ROOT PROGRAM
set -eu
root=$1 program=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The README's program is the example, to the letter, and at most 30 lines.
awk '/^```cpp$/ {on = 1; next} /^```$/ {on = 0} on' "$root/README.md" > "$folder/readme.cpp"
cmp "$folder/readme.cpp" "$root/examples/folder_to_sqlite.cpp"
lines=$(wc -l < "$folder/readme.cpp")
[ "$lines" -le 30 ] || { echo "the README's program has $lines lines, over 30" >&2; exit 1; }

mkdir "$folder/logs"
printf '2026-01-31 ERROR disk is "full"\n2026-02-01 INFO ok\n' > "$folder/logs/a.log"
printf '2026-02-02 WARN\r\nalone\n' > "$folder/logs/b.log"
"$program" "$folder/logs" "$folder/out.db"
sqlite3 "$folder/out.db" 'SELECT day, level, text FROM log ORDER BY day' > "$folder/got"
printf '2026-01-31|ERROR|disk is "full"\n2026-02-01|INFO|ok\n2026-02-02|WARN|\nalone||\n' > "$folder/want"
diff "$folder/want" "$folder/got"

# A folder that is not there: exit status 1 and its name.
if "$program" "$folder/none" "$folder/out.db" 2> "$folder/error"; then exit 1; fi
grep -q "$folder/none" "$folder/error"
