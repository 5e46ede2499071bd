#!/usr/bin/env bash
# boot.sh KERNEL RESULTS [WORD…]: boots that kernel (see kernel.sh) with the disk (see disk.sh) in qemu, and the words in its
# command line (see machine/vm/init). The first serial line is this program's input and output, the second goes to the file
# RESULTS. Exit code: that of the machine's job; 124 if it ran out of time (BOOT_SECONDS), 125 if it never came to its end.
#
# The disk is only read: what the machine writes to it goes to a file that nobody sees, and is gone with it. It has no network.
set -euo pipefail
cd "$(dirname "$0")/../.."
kernel=$PWD/target/vm/$1 results=$2
shift 2

# What the kernel starts with: the modules, and a script that loads them and goes on from the disk.
first=$kernel/first.cpio
if [ ! -e "$first" ] || [ tests/vm/first -nt "$first" ]; then
    draft=$(mktemp -d -p "$kernel")
    mkdir "$draft/disk"
    cp -r "$kernel/modules" "$(command -v busybox)" "$draft"
    install tests/vm/first "$draft/init"
    (cd "$draft" && find . | busybox cpio -o -H newc -R 0:0 2> /dev/null) > "$draft.cpio"
    mv "$draft.cpio" "$first"
    rm -r "$draft"
fi

# Whether this machine lends its processor (KVM) is found by trying: a device that can be opened may yet run nothing. A
# kernel without a disk ends at once. One processor is emulated as an old one, whose instructions are the fewest; but with a
# source of random numbers, for which programs on 5.10 would otherwise wait through half of the tests.
accelerator=target/vm/accelerator
if [ ! -e $accelerator ]; then
    echo "-accel tcg -cpu Nehalem,+rdrand" > $accelerator
    if [ -w /dev/kvm ] && timeout 10 qemu-system-x86_64 -accel kvm -cpu host -smp 1 -m 256 -nodefaults -display none -no-reboot \
        -kernel "$kernel/vmlinuz" -append "panic=-1" > /dev/null 2>&1; then
        echo "-accel kvm -cpu host" > $accelerator
    fi
fi

if [ -t 0 ] && grep -q tcg $accelerator; then
    echo "This machine does not lend its processor (/dev/kvm), so the other one's is emulated: it takes ten times as long." >&2
fi

code=0
# shellcheck disable=SC2046 # these are several words
timeout --foreground "${BOOT_SECONDS:-0}" qemu-system-x86_64 $(cat $accelerator) -smp 1 -m 1024 -nodefaults -display none \
    -monitor none -no-reboot -kernel "$kernel/vmlinuz" -initrd "$first" \
    -drive "file=$PWD/target/vm/disk.img,format=raw,if=virtio,snapshot=on" \
    -chardev stdio,id=terminal,signal=off -serial chardev:terminal -serial "file:$results" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on $*" || code=$?
[ $code = 0 ] || exit $code
code=$(sed -n 's/^# exit //p' "$results")
exit "${code:-125}"
