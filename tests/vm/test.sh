#!/usr/bin/env bash
# test.sh: boots other kernels (KERNELS="6.1 6.12 5.10"), and on them machines of other layouts. The chapters' claims
# run there, two machines at a time. A table shows what became of them. Exit code 1 when a claim failed.
#
# What a machine is for is a line: the kernel, the layout of cgroups, who starts the claims, the chapters, and more
# words for machine/vm/init. Emulated, a chapter takes half a minute, so not everything runs everywhere. Every claim
# runs on every kernel, by root and by an ordinary user. On the other layouts only those chapters run that have to do
# with them.
set -euo pipefail
cd "$(dirname "$0")/../.."
kernels=${KERNELS:-6.1 6.12 5.10}
results=target/vm/results
all=$(sed -n 's/^\([0-9]*\)-.*/\1/p' steps/chapters | paste -s -d ,)

plan() {
    local kernel first=${kernels%% *} last=${kernels##* }
    if [ -n "${QUICK:-}" ]; then
        echo "$first v2 root 01,02,05"
        echo "$first v2 root 08"
        echo "$first delegated user 08"
        echo "$first v2 restrictions"
        return
    fi
    for kernel in $kernels; do
        echo "$kernel v2 root $all"
    done
    echo "$first delegated user 05,06,07,08,09"
    echo "$last v2 user 05,09 course.uidmap=no"
    for layout in v1 joint hybrid; do
        echo "$first $layout root 08"
    done
    for kernel in $kernels; do
        echo "$kernel v2 restrictions"
    done
}

# boot NUMBER KERNEL LAYOUT WHO [CHAPTERS [WORD…]]: one line of the plan.
boot() {
    local number=$1 kernel=$2 layout=$3 who=$4 chapters=${5:-} code=0
    local words=(course.cgroups="$layout" "${@:6}")
    case $who in
        restrictions) words+=(course.job=restrictions) ;;
        *) words+=(course.job=claims course.who="$who" course.chapters="$chapters") ;;
    esac
    BOOT_SECONDS=${BOOT_SECONDS:-900} tests/vm/boot.sh "$kernel" "$results/$number.tap" "${words[@]}" \
        < /dev/null > "$results/$number.log" 2>&1 || code=$?
    echo "# plan $(cat "target/vm/$kernel/release") $layout $who ${chapters:-none} ${*:6}" >> "$results/$number.tap"
    echo "$kernel, $layout, $who${chapters:+, chapters $chapters}: $(outcome "$number" "$code")" >&2
}

# The job ends with 1 when a claim failed. Whatever else it ends with, some were never reported.
outcome() {
    case $2 in
        0) echo "done" ;;
        1) echo "something failed, see $results/$1.tap" ;;
        124) echo "not ok 0 - $results/$1: out of time" | tee -a "$results/$1.tap" ;;
        *) echo "not ok 0 - $results/$1: the machine ended with $2, see $results/$1.log" | tee -a "$results/$1.tap" ;;
    esac
}

if [ "${1:-}" = boot ]; then
    shift
    boot "$@"
    exit
fi

begin=$SECONDS
for kernel in $kernels; do
    tests/vm/kernel.sh "$kernel"
done
tests/vm/disk.sh
rm -rf $results
mkdir -p $results
plan | cat -n | tr '\t' ' ' | xargs -P 2 -L 1 tests/vm/test.sh boot || failed=1
awk -f tests/vm/table.awk $results/*.tap || failed=1
echo "$((SECONDS - begin)) seconds; the details are in $results"
exit "${failed:-0}"
