#!/bin/sh
# ssh.sh BIN [COMMAND]: starts a container with an ssh server in it, logs in with ssh and runs COMMAND.
set -eu
bin=$1 command=${2:-'ps -ax; pstree; top -bn1 | head -n 12; ls /'}
rootfs=$("$bin/rootfs" --with-ssh --to target/rootfs/ssh-host)
tmp=$(mktemp -d) launcher=
trap '[ -n "$launcher" ] && kill "$launcher" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
echo todo
