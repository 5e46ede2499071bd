#!/bin/bash
# image.sh WORK IMAGE: Debian with the software of experiments.sh, as `podman save` writes it, in the directory IMAGE. One
# more package is left for apt-get to install, with the list of packages that a mirror has.
set -euo pipefail
work=$1 image=$2 tree=$1/tree
podman="podman --root $work/podman --runroot $work/podman-run --cgroup-manager=cgroupfs"
software=postgresql,redis-server,nginx-light,openssh-server,openjdk-17-jre-headless,stress-ng

quiet() { "$@" > "$work/log" 2>&1 || { echo "$1 failed:" >&2; tail -n 5 "$work/log" >&2; return 1; }; }

quiet debootstrap --variant=minbase --include="$software" bookworm "$tree"
quiet chroot "$tree" apt-get install --yes --download-only sudo

mkdir -p "$image/packages"
fields=$(chroot "$tree" sh -c 'dpkg-deb --field /var/cache/apt/archives/sudo_*.deb')
mv "$tree"/var/cache/apt/archives/sudo_*.deb "$image/packages/sudo.deb"
{
    echo "$fields"
    echo "Filename: sudo.deb"
    stat --format 'Size: %s' "$image/packages/sudo.deb"
    sha256sum < "$image/packages/sudo.deb" | sed 's/^/SHA256: /; s/ *-$//'
} > "$image/packages/Packages"

ssh-keygen -q -t ed25519 -N '' -f "$image/key"
install -D -m 600 "$image/key.pub" "$tree/root/.ssh/authorized_keys"
chmod 700 "$tree/root/.ssh"

rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,man,locale}
tar -C "$tree" --numeric-owner -c . | quiet $podman import - localhost/real:1
rm -rf "$tree"
$podman save localhost/real:1 2> "$work/log" | zstd -1 --quiet -o "$image/image.tar.zst"
rm -rf "$work/podman" "$work/podman-run"
