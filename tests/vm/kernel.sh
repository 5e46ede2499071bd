#!/usr/bin/env bash
# kernel.sh NAME [MODULE…]: a kernel to boot, in target/vm/NAME: vmlinuz, release, and the modules in the order of loading.
#
# 5.10, 6.1 and 6.12 are Debian's, one of each release. They are downloaded and unpacked, never installed, by an apt with
# lists and caches of its own: this machine's package lists need not have them, and do not change. The mirror is the one
# that this machine's apt uses. `own` is the kernel that this machine runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin # an ordinary user's often leaves these out
name=$1 dir=$PWD/target/vm/$1
shift
modules=${*:-virtio_pci virtio_blk ext4 overlay veth bridge tun}
give_up() { echo "kernel $name: $*" >&2; exit 1; }

case $name in
    5.10) suite=bullseye ;;
    6.1) suite=bookworm ;;
    6.12) suite=trixie ;;
    own) suite='' ;;
    *) give_up "known are 5.10, 6.1, 6.12 and own" ;;
esac
command -v qemu-system-x86_64 > /dev/null || give_up "there is no qemu to boot it: make deps"
[ "$(cat "$dir/wanted" 2> /dev/null)" != "$modules" ] || exit 0
command -v modprobe > /dev/null || give_up "modprobe is not installed: make deps"

# This machine's apt, with another list of sources and with nothing of its own changed.
private_apt() {
    local command=$1
    shift
    "$command" -qq -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User="$(id -un)" "$@"
}

# Unpacks the package into $dir/package.
download() {
    local mirror package
    command -v apt-get > /dev/null || give_up "it comes from Debian's packages, and there is no apt here: try KERNEL=own"
    # shellcheck disable=SC2016 # it is apt that fills them in
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | head -n 1)
    [ -n "$mirror" ] || give_up "this machine's apt knows no mirror of Debian: try KERNEL=own"
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" > "$dir/sources.list"
    private_apt apt-get update || give_up "the package lists of $suite cannot be had from $mirror"
    package=$(private_apt apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" { print $2; exit }')
    [ -n "$package" ] || give_up "$suite has no package linux-image-cloud-amd64"
    (cd "$dir" && private_apt apt-get download "$package") || give_up "$package cannot be had from $mirror"
    dpkg-deb -x "$dir"/linux-image-*.deb "$dir/package"
    rm -r "$dir"/linux-image-*.deb "$dir/lists" "$dir/cache"
}

# A module as the kernel wants it, whatever it was packed with.
unpacked() {
    case $1 in
        *.xz) xz -dc "$1" ;;
        *.zst) zstd -dcq "$1" ;;
        *.gz) gzip -dc "$1" ;;
        *) cat "$1" ;;
    esac
}

# The modules that $1 needs come before it, as modprobe(8) finds out; what is built in is nothing to load.
list_modules() {
    for module in $modules; do
        modprobe -d "$root" -S "$release" --show-depends "$module" || true
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

echo "Getting the kernel $name; once." >&2
rm -rf "$dir"
mkdir -p "$dir/modules"
root=/
if [ -n "$suite" ]; then
    download
    root=$dir/package
    [ -e "$root/lib" ] || ln -s usr/lib "$root/lib" # trixie's package has them there
    release=$(basename "$root"/lib/modules/*)
    depmod -b "$root" "$release"
else
    release=$(uname -r)
fi
for image in "${root%/}/boot/vmlinuz-$release" "${root%/}/lib/modules/$release/vmlinuz"; do
    [ ! -r "$image" ] || break
done
[ -r "$image" ] || give_up "no image of $release that you may read, neither in /boot nor in /lib/modules"
cp "$image" "$dir/vmlinuz"
number=100
while read -r file; do
    number=$((number + 1))
    unpacked "$file" > "$dir/modules/$number-$(basename "${file%%.ko*}").ko"
done < <(list_modules)
rm -rf "$dir/package"
echo "$release" > "$dir/release"
echo "$modules" > "$dir/wanted"
