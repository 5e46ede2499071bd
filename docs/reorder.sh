#!/bin/sh
# What breaks if a line of step 09 comes earlier or later? Moves the line, in a copy of the course
# below target/reordered, builds that there, and leaves target/reordered/09-full.
#
#   docs/reorder.sh 'LINE' before|after 'OTHER LINE'     both as they begin in main.rs or lib.rs
set -eu
[ $# = 3 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
top=$(cd "$(dirname "$0")/.." && pwd)
place=$top/target/reordered
copy=$place/course
rm -rf "$copy"
mkdir -p "$copy"
cd "$top"
cp -rp Cargo.toml Cargo.lock common docs rootfs steps tests tools "$copy"
cd "$copy/steps/09-full"
file=$(grep -lF "$1" src/main.rs src/lib.rs | head -n 1)
[ -n "$file" ] && grep -qF "$3" "$file" || { echo "no such lines in one file" >&2; exit 2; }
awk -v line="$1" -v where="$2" -v other="$3" '
    { text = $0; sub(/^ +/, "", text) }
    FNR == NR { if (!found && index(text, line) == 1) { moved = $0; found = FNR } next }
    FNR == found { next }
    index(text, other) == 1 && !done {
        done = 1
        if (where == "before") print moved
        print
        if (where == "after") print moved
        next
    }
    { print }' "$file" "$file" > "$place/moved"
cp "$place/moved" "$file"
touch src/main.rs src/lib.rs
# A target directory of its own: in the course's, both copies of a library would have one name.
cargo build --quiet --target-dir "$place/build" --package step-09-full --bin 09-full 2> "$place/errors" ||
    { grep -m 1 '^error' "$place/errors"; exit 1; }
cp "$place/build/debug/09-full" "$place/09-full"
