#!/bin/sh
# demo.sh BIN ROOTFS: the assignment that this course grew from, one part after the other.
set -u
bin=$1 rootfs=$2 port=${PORT:-4711} failed=0
tmp=$(mktemp -d) launcher=
trap '[ -n "$launcher" ] && kill "$launcher" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

part() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ 09-full %s\n' "$*" | sed "s|$rootfs|ROOTFS|"; "$bin/09-full" "$@"; }
check() { "$@" || { failed=1; echo "That was not as it should be." >&2; }; }

part "1. It has a name of its own, and the host keeps its own ($(hostname))."
check run --hostname web "$rootfs" hostname

part "2. ps shows its processes and no others; the host has $(ls -d /proc/[0-9]* | wc -l)."
check run "$rootfs" ps ax

part "3. It has an address of its own, on a cable to the host."
check run "$rootfs" ip -brief -4 addr

part "4. A server inside, a client outside: port $port of this machine leads to it."
printf '$ 09-full --publish %s:4711 ROOTFS server &\n' "$port"
"$bin/09-full" --publish "$port:4711" "$rootfs" server > "$tmp/log" &
launcher=$!
for _ in $(seq 100); do grep -q listening "$tmp/log" && break; sleep 0.05; done
printf '$ client 127.0.0.1 %s\n' "$port"
check "$bin/client" 127.0.0.1 "$port"
kill "$launcher"; wait "$launcher" 2>/dev/null; launcher=

part "5. Two busy threads and a limit of 0.8 CPUs: 80 ms of every 100."
run --cpus 0.8 "$rootfs" cpu-hog 2 --seconds 4
case $? in
    0) ;;
    125) echo "(Only this part needs rights over a cgroup.)" ;;
    *) failed=1 ;;
esac
exit $failed
