#!/bin/sh
# ssh.sh BIN [COMMAND]: starts a container with an ssh server in it, logs in with ssh and runs COMMAND there.
set -eu
bin=$1 command=${2:-'ps -ax; pstree; top -bn1 | head -n 12; ls /'}
command -v ssh > /dev/null || { echo "ssh is not installed: sudo apt install openssh-client" >&2; exit 1; }
rootfs=$("$bin/rootfs" --with-ssh --to target/rootfs/ssh-host)
tmp=$(mktemp -d) launcher=
trap '[ -n "$launcher" ] && kill "$launcher" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
: > "$tmp/log"

# An ssh server that is root gives up root's groups for those of who logs in, and that takes more than one id. An
# ordinary user can map one alone: then the server runs as that user, whom it can let in without changing anything.
uid=$(id -u) gid=$(id -g)
if [ "$uid" = 0 ]; then
    user=root port=22 ids=65536 uid=0 gid=0
else
    user=$(awk -F: -v uid="$uid" '$3 == uid { print $1 }' "$rootfs/etc/passwd") port=2222 ids=1
fi
"$bin/09-full" --hostname ssh --uid-map "$uid:$uid:$ids" --gid-map "$gid:$gid:$ids" "$rootfs" \
    sh -c "ip -o -4 addr show eth0; exec dropbear -F -E -s -R -p $port" > "$tmp/address" 2> "$tmp/log" &
launcher=$!
for _ in $(seq 100); do grep -q 'Not backgrounding' "$tmp/log" && break; sleep 0.05; done
address=$(sed -n 's/.* inet \([0-9.]*\).*/\1/p' "$tmp/address")
[ -n "$address" ] || { cat "$tmp/log" >&2; exit 1; }

# Of an ordinary user the parent's network namespace is one that the launcher made to play the machine's part.
parent=
if [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$launcher/ns/net")" ]; then
    parent="nsenter --target $launcher --user --net --preserve-credentials"
fi
[ -t 0 ] && tty=-t || tty=-T
echo "\$ ssh -p $port $user@$address '$command'" >&2
set +e
$parent ssh $tty -p "$port" -i target/rootfs/ssh/id_ed25519 -o LogLevel=ERROR -o IdentitiesOnly=yes \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$user@$address" "$command"
code=$?
[ $code != 255 ] || cat "$tmp/log" >&2
exit $code
