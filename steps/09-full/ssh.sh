#!/bin/sh
# ssh.sh BIN [COMMAND]: starts a container with an ssh server in it, logs in with ssh and runs COMMAND there.
set -eu
bin=$1 port=${PORT:-2222} command=${2:-'ps -ax; pstree; top -bn1 | head -n 12; ls /'}
command -v ssh > /dev/null || { echo "ssh is not installed: make deps" >&2; exit 1; }
rootfs=$("$bin/rootfs" --with-ssh --to target/rootfs/ssh-host)
tmp=$(mktemp -d) launcher=
trap '[ -n "$launcher" ] && kill "$launcher" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
: > "$tmp/log"

# An ssh server that is root gives up root's groups for those of who logs in, and that takes more than one id. An
# ordinary user can map only one: then the server runs as that user, whom it can let in without changing anything.
uid=$(id -u) gid=$(id -g)
if [ "$uid" = 0 ]; then
    user=root maps=
else
    user=$(awk -F: -v uid="$uid" '$3 == uid { print $1 }' "$rootfs/etc/passwd")
    maps="--uid-map $uid:$uid:1 --gid-map $gid:$gid:1"
fi
"$bin/09-full" --name "ssh-$$" --hostname ssh --publish "$port:2222" $maps "$rootfs" \
    dropbear -F -E -s -R -p 2222 2> "$tmp/log" &
launcher=$!
for _ in $(seq 100); do grep -q 'Not backgrounding' "$tmp/log" && break; sleep 0.05; done
grep -q 'Not backgrounding' "$tmp/log" || { cat "$tmp/log" >&2; exit 1; }

[ -t 0 ] && tty=-t || tty=-T
echo "\$ ssh -p $port $user@127.0.0.1 '$command'" >&2
set +e
ssh $tty -p "$port" -i target/rootfs/ssh/id_ed25519 -o LogLevel=ERROR -o IdentitiesOnly=yes \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$user@127.0.0.1" "$command"
code=$?
[ $code != 255 ] || cat "$tmp/log" >&2
exit $code
