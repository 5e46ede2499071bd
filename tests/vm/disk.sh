#!/usr/bin/env bash
# disk.sh: the disk of the machines that are booted, target/vm/disk.img. It has a small system, made of this machine's
# programs by the course's own `rootfs`, and the course as it is built here. That has the same path as here, since some
# programs have it built in, and /course leads there. The disk is made again when a part has changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD tree=$PWD/target/vm/system disk=$PWD/target/vm/disk.img
PATH=$PATH:/usr/sbin:/sbin
give_up() { echo "disk: $*" >&2; exit 1; }

need() { command -v "$1" > /dev/null || give_up "$1 is not installed: make deps"; }
need busybox
need mke2fs

# What cargo says about the built claims of the chapters, a line each: `cargo` in the machine says the same again. Of step 09
# there are two programs more: what overlays, idmapped layers and ways to the network are depends on the kernel, too.
claims=$(cargo test --quiet --no-run --workspace --test claims --test files --test network --message-format=json |
    grep '"executable":"[^"]*/deps/\(claims\|files\|network\)-' | sort)
programs=$(find target/debug -maxdepth 1 -type f -perm -100
    # shellcheck disable=SC2001 # every line
    sed "s|.*\"executable\":\"$here/\([^\"]*\)\".*|\1|" <<< "$claims")

sources() { git ls-files -z --cached --others --exclude-standard; }

# Whether the disk is younger than all of its parts.
is_current() {
    [ -e "$disk" ] && [ -z "$({ sources; tr '\n' '\0' <<< "$programs"; } | xargs -0 -I{} find {} -newer "$disk" 2>&1 | head -n 1)" ]
}
! is_current || exit 0
echo "Making the disk of the machines." >&2
mkdir -p target/vm
rm -rf "$tree" "$disk"

# The system. Where this machine lacks a program, so will that one.
add=(--add busybox)
for program in diff git ldd make newgidmap newuidmap pasta slirp4netns ssh ssh-keygen; do
    ! command -v "$program" > /dev/null || add+=(--add "$program")
done
target/debug/rootfs --to "$tree" "${add[@]}" > /dev/null
cp -r tests/vm/machine/. "$tree"
mkdir -p "$tree/media" # experiments mount over it
cp -r /etc/ld.so.conf* "$tree/etc" # where libraries are
cp "$tree/usr/bin/busybox" "$tree/usr/local/bin/su" # of which init makes root's

# The course. What debuggers need is four fifths of each program, and left out.
course=$tree$here
mkdir -p "$course/target/debug/deps"
ln -s "$here" "$tree/course"
sources | xargs -0 cp --parents -t "$course"
for program in $programs; do
    strip -o "$course/$program" "$program"
done
echo "$claims" > "$course/target/claims.json"
"$course/target/debug/rootfs" > /dev/null

# Everything there is root's. An ordinary user becomes root in a user namespace: the course's chapter 05.
size=$(du -sm --apparent-size "$tree" | cut -f 1)
as_root=$([ "$(id -u)" = 0 ] || echo "unshare --map-root-user")
$as_root mke2fs -q -t ext4 -d "$tree" "$disk.draft" "$((size * 3 / 2 + 256))M" > /dev/null || give_up "the file system cannot be made"
mv "$disk.draft" "$disk"
rm -rf "$tree"
