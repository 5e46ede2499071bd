#!/usr/bin/env bash
# sessions.sh: leaves a shell of every step, with everything in the tree that a learner may leave there, then runs
# the claims and the attacks again: they have trees of their own. Needs script(1) for a terminal; steps 01 to 04 need
# root, and are skipped where sudo asks for a password. Takes a few minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_BACKTRACE=0
skipped=0 failed=0
command -v script > /dev/null || { echo "skipped: script(1) is not installed (package bsdutils)"; exit 0; }
cargo build --quiet --workspace

# What a shell leaves: a history that only its user may read, a closed directory, a set-user-ID program.
LEFT='echo secret > /root/.bash_history; chmod 600 /root/.bash_history
mkdir -p /tmp/closed && chmod 700 /tmp/closed
cp /bin/cat /tmp/cat && chmod 4755 /tmp/cat
echo session-$((6 * 7)); exit'

for number in 01 02 03 04 05 06 07 08 09; do
    if [ "$(id -u)" != 0 ] && [ $number -lt 5 ] && ! sudo -n true 2> /dev/null; then
        echo "skipped: step-$number needs root, and sudo asks for a password"; skipped=$((skipped + 1)); continue
    fi
    shown=$(timeout 60 script -qec "make step-$number" /dev/null <<< "$LEFT" || true)
    if [[ $shown == *session-42* ]]; then
        echo "ok: a shell of step-$number was left"
    else
        echo "FAILED: step-$number gave no shell"; failed=$((failed + 1))
    fi
done

for target in check escape-01 escape-05 escape-06 escape-09; do
    if [ "$(id -u)" != 0 ] && [ $target = escape-01 ] && ! sudo -n true 2> /dev/null; then
        echo "skipped: $target needs root, and sudo asks for a password"; skipped=$((skipped + 1)); continue
    fi
    if output=$(make $target 2>&1); then
        echo "ok: make $target"
    else
        echo "FAILED: make $target"; printf '%s\n' "$output" | grep -B1 -A8 FAIL || tail -5 <<< "$output"
        failed=$((failed + 1))
    fi
done
echo "$failed failed, $skipped skipped"
[ $failed = 0 ]
