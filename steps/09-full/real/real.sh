#!/bin/bash
# real.sh BIN: real software in containers of step 09. Builds an image of Debian (image.sh), runs experiments.sh with it as
# root and as an ordinary user, and prints a table. Takes root, 3 GB of disk and less than ten minutes.
#
#   IMAGE=DIR   keeps the image in DIR, or takes it from there
#
# Everything runs in namespaces that are made for it, so that the machine is afterwards as it was.
set -euo pipefail
here=$(realpath "$(dirname "$0")") bin=$(realpath "$1")
PATH=$PATH:/usr/sbin:/sbin
export MIRROR=203.0.113.1 # an address for documentation (RFC 5737): no machine has it

[ "$(id -u)" = 0 ] || { echo "An image of Debian is built by root: make real SUDO=sudo" >&2; exit 2; }
for program in debootstrap podman zstd ssh-keygen ip; do
    command -v $program > /dev/null || { echo "skipped: $program is not installed (make deps)"; exit 0; }
done
# An ordinary user: the one that sudo was called by, else the first that has a range of subordinate ids.
user=${SUDO_USER:-$(cut -d : -f 1 /etc/subuid 2> /dev/null | while read -r name; do id "$name"; done 2> /dev/null | sed -n '1s/^uid=[1-9][0-9]*(\(.*\)) gid.*/\1/p')}

# Processes, mounts and links of the namespaces end with them. What else could stay is on the disk, or a control group.
work=$(mktemp -d "${TMPDIR:-/var/tmp}/real-XXXXXX")
groups() { find /sys/fs/cgroup -type d \( -name 'container-*' -o -name '*libpod*' -o -name 'conmon*' \) 2> /dev/null | sort -r; }
snapshot() { groups; sed 's/^/mount /' /proc/self/mountinfo; ls /sys/class/net; nft list ruleset 2> /dev/null; pgrep -x 09-full; }
before=$(snapshot || true) groups_before=$(groups)
finish() {
    rm -rf "$work"
    comm -23 <(groups | sort) <(sort <<< "$groups_before") | sort -r | xargs --no-run-if-empty rmdir 2> /dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM

# as IDENTITY: the experiments, in a directory of their own, with copies of the programs that IDENTITY can reach.
as() {
    local dir=$work/$1 become=()
    mkdir -p "$dir/bin"
    cp "$bin"/{09-full,containers,rootfs,rootfs-image} "$dir/bin"
    cp "$here/experiments.sh" "$image/key" "$dir"
    if [ "$1" = user ]; then
        chown -R "$user": "$dir"
        become=(setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups)
    fi
    echo "As $1$([ "$1" = root ] || echo " ($user)")" >&2
    (cd "$dir" && "${become[@]}" env -i PATH="$PATH" HOME="$dir" MIRROR=$MIRROR ./experiments.sh "$image") > "$work/results-$1"
    rm -rf "$dir"
}

# A network with one address, and a /dev/net/tun that is open to all, as most systems have it.
machine() {
    mount -t tmpfs tmpfs /run
    ip link set lo up
    ip addr add $MIRROR/32 dev lo
    [ ! -c /dev/net/tun ] || { mknod -m 666 /run/tun c 10 200 && mount --bind /run/tun /dev/net/tun; }
    as root
    if [ -n "$user" ]; then as user; fi
}

alone() { unshare --mount --pid --fork --kill-child --mount-proc "$@"; } # and what it starts ends with it

image=${IMAGE:-$work/image}
mkdir -p "$image"
chmod 755 "$work" "$image"
if ! [ -e "$image/image.tar.zst" ]; then
    echo "An image of Debian, from its mirror: some minutes" >&2
    alone "$here/image.sh" "$work" "$image"
fi
export work image user bin here
export -f machine as
alone --net bash -euc machine


cell() { awk -F '|' -v name="$1" '$1 == name { print $2 ($3 == "" ? "" : ": " $3) }' "$work/results-$2" 2> /dev/null | grep . || echo "skipped: $3"; }
printf '\n%-20s %-46s %s\n' experiment root "user ${user:-}"
cut -d '|' -f 1 "$work/results-root" | while read -r name; do
    printf '%-20s %-46s %s\n' "$name" "$(cell "$name" root)" "$(cell "$name" user 'no user has ids in /etc/subuid')"
done
failed=$(cat "$work"/results-* | grep -c '|FAIL|' || true)
finish
# Others may remove files meanwhile: that is not a fault.
new=$(comm -13 <(sort <<< "$before") <(snapshot | sort))
if [ -z "$new" ]; then echo "The machine is as before."; else failed=1; printf 'Left behind:\n%s\n' "$new"; fi
[ "$failed" = 0 ]
