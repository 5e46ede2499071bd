#!/usr/bin/env bash
# shell.sh [COMMAND]: the whole course in a machine that is thrown away, and a shell in it as an ordinary user, on the kernel
# KERNEL (see kernel.sh). With COMMAND that is run there instead, and its exit code is this program's.
set -euo pipefail
cd "$(dirname "$0")/../.."
kernel=${KERNEL:-6.1}
words=(course.cgroups=delegated course.job=shell)
[ -z "${1:-}" ] || words+=(course.command="$(printf %s "$1" | base64 -w 0)")

results=$(mktemp)
terminal=$([ -n "${1:-}" ] || stty -g)
[ -z "$terminal" ] || words+=(course.terminal="$(stty size | tr ' ' ,),${TERM:-vt100}")

# The machine's terminal acts on the keys and ours only passes them on; in the end it is as it was.
finish() {
    [ -z "$terminal" ] || stty "$terminal"
    rm -f "$results"
}
trap finish EXIT

tests/vm/kernel.sh "$kernel"
tests/vm/disk.sh
tests/vm/boot.sh "$kernel" "$results" "${words[@]}"
