#!/usr/bin/env bash
# mutants.sh [--dry-run] [PATTERN]: breaks one mechanism after the other in a copy of this tree, as tests/mutants lists them,
# and prints the claim or the test that notices. Fails when none does, and when a rule changes nothing any more. With PATTERN
# it takes only the mutants whose lines match. Takes half an hour; with --dry-run it only applies the rules, in a second.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_BACKTRACE=0
dry= ; [ "${1:-}" != --dry-run ] || { dry=yes; shift; }
copy=$PWD/target/mutants log=$PWD/target/mutants.log
survived=0 caught=0
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -cf - -T - 2>/dev/null | tar -xf - -C "$copy"
cd "$copy"

# A cleaner that was broken leaves groups behind. A launcher that lives holds a lock on its groups.
tidy() {
    for group in $(find /sys/fs/cgroup -maxdepth 4 -type d -name 'container-??????' 2> /dev/null); do
        flock --nonblock "$group" rmdir "$group" 2> /dev/null || true
    done
}
trap tidy EXIT

if [ -z "$dry" ]; then
    cargo test --quiet --no-run --workspace
    cargo build --quiet --workspace
    target/debug/rootfs > /dev/null
fi

# Prints what notices, a line each. The claims of a step come first, and where those hold, its other tests. Then come
# every attack on it, what it leaves on the host, and how it answers bad input. What passes on a published port is
# tested in the library itself, so these tests come before all others there.
verdict() {
    local step=$1
    if [[ $2 == */publish/* ]]; then
        cargo test --no-fail-fast -p "step-$step" --lib 2>&1 | sed -n 's/^test \(.*\)\.\.\. FAILED/\1/p' | grep . && return
    fi
    cargo test --quiet --no-run -p "step-$step" --test claims 2> "$log" || { echo "it does not compile"; return; }
    target/debug/check --format tap $(cargo test --quiet --no-run -p "step-$step" --test claims --message-format=json |
        sed -n 's|.*"executable":"\([^"]*/deps/claims-[^"]*\)".*|\1|p') > "$log" 2>&1 || true
    grep '^not ok' "$log" && return
    cargo test --no-fail-fast -p "step-$step" 2>&1 | sed -n 's/^test \(.*\)\.\.\. FAILED/\1/p' | grep . && return
    for test in attacks machine bad_input; do
        filter=$([ $test = bad_input ] || echo "$step")
        cargo test --quiet -p harness --test $test -- $filter > "$log" 2>&1 ||
            sed -n "s/^test \(.*\)\.\.\. FAILED/$test: \1/p; s/^\([a-z0-9-]*: expected\) Some/attack \1 /p" "$log"
    done
}

before=
while IFS='|' read -r step description file script <&3; do
    step=${step// /} file=steps/${file// /} description=${description# } description=${description% } script=${script# }
    if [ ! -e "$file" ] || sed -E "$script" "$file" | cmp -s - "$file"; then
        printf 'NO LONGER APPLIES  %s: %s (%s)\n' "$step" "$description" "$file"; survived=$((survived + 1)); continue
    fi
    [ -z "$dry" ] || { caught=$((caught + 1)); continue; }
    [ "${before:-$step}" = "$step" ] || cargo build --quiet -p "step-$before"   # the next step is compared with it
    before=$step
    cp "$file" "$copy/original"
    sed -E -i "$script" "$file"
    found=$(verdict "$step" "$file")
    cp "$copy/original" "$file"
    if [ -z "$found" ] || [[ $found == "it does not compile"* ]]; then
        printf 'SURVIVES  %s: %s  %s\n' "$step" "$description" "$found"; survived=$((survived + 1))
    else
        printf 'caught    %s: %s\n%s\n' "$step" "$description" "$(sed 's/^not ok [0-9]* - //; s/^/            /' <<< "$found" | head -3)"
        caught=$((caught + 1))
    fi
done 3< <(grep -v '^#' tests/mutants | grep -E -- "${1:-.}")
echo "$caught $([ -n "$dry" ] && echo apply || echo caught), $survived not"
[ $survived = 0 ]
