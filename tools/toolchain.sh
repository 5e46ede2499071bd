#!/bin/sh
# toolchain.sh: what must be installed before anything of the course can be built. Prints what is missing and how to install
# it, and ends with 1 if something is.
cd "$(dirname "$0")/.." || exit 1
give_up() { printf 'missing: %s\n  → %s\n' "$1" "$2" >&2; exit 1; }

rustup="install Rust with rustup, as https://rustup.rs shows, because packages of distributions are often too old"
command -v cargo > /dev/null || give_up cargo "$rustup"
command -v cc > /dev/null || give_up "cc, the linker" "make deps"
[ ! -e target/debug/rootfs ] || exit 0 # it was new enough then
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(rustc --version | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$oldest" "$found" | sort -t . -k 1,1n -k 2,2n | head -n 1)" != "$oldest" ]; then
    give_up "Rust $oldest or newer; this is ${found:-none}" "rustup update stable (without rustup: $rustup)"
fi
