#!/bin/sh
# toolchain.sh: what must be here before anything of the course can be built, the doctor included. Says what is missing,
# and the command that mends it; exit code 1 if there is something.
missing=0
sudo=$([ "$(id -u 2> /dev/null)" = 0 ] || echo "sudo ")

# lacks WHAT, with the commands for apt-get, dnf, pacman, apk, zypper
lacks() {
    echo "missing: $1" >&2
    missing=1
    shift
    for manager in "apt-get install" "dnf install" "pacman -S" "apk add" "zypper install"; do
        if command -v "${manager%% *}" > /dev/null; then echo "  → $sudo$manager $1" >&2; return; fi
        shift
    done
}

command -v cc > /dev/null || lacks "cc, the linker" "gcc libc6-dev" gcc gcc "gcc musl-dev" gcc
if ! command -v cargo > /dev/null; then
    echo "missing: cargo" >&2
    echo "  → install Rust with rustup, as https://rustup.rs shows: packages of distributions are often too old" >&2
    exit 1
fi
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(rustc --version | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$oldest" "$found" | sort -t . -k 1,1n -k 2,2n | head -n 1)" != "$oldest" ]; then
    echo "missing: Rust $oldest or newer; this is ${found:-none}" >&2
    echo "  → rustup update stable   (without rustup: install it as https://rustup.rs shows)" >&2
    exit 1
fi
exit $missing
