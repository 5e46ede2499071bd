#!/bin/bash
# bench.sh BIN ROOTFS: what a container costs to start and end, next to those of others, and as more of them run.
# Whole commands with a payload that does nothing, in turns; absolute times mean little on a machine that is shared.
set -euo pipefail
unset RUST_BACKTRACE # with it a backtrace is taken of every error, also of those that are expected
here=$(dirname "$0") bin=$(realpath "$1") rootfs=$(realpath "$2") runs=${RUNS:-200}
for tool in hyperfine cc; do
    command -v $tool > /dev/null || { echo "$tool is not installed: make deps" >&2; exit 1; }
done

# /run is in memory on every machine with systemd, as what a session gives its user is.
in_memory() { [ "$(stat -f -c %T "$1" 2> /dev/null)" = tmpfs ]; }
if [ "$(id -u)" = 0 ] && ! in_memory /run; then
    exec unshare --mount sh -c 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$0" "$@"' "$0" "$@"
fi
tmp=$(mktemp -d) memory=$(mktemp -d -p /dev/shm) running=()
in_memory "${XDG_RUNTIME_DIR:-/nowhere}" || export XDG_RUNTIME_DIR=$memory
podman_groups() { find /sys/fs/cgroup -type d -path '*/libpod_parent*' 2> /dev/null; }
podman_was_here=$(podman_groups)
finish() {
    for pid in "${running[@]}"; do kill "$pid" 2> /dev/null || true; done
    wait; rm -rf "$tmp" "$memory"
    # podman makes a group of its own and leaves it behind.
    [ -n "$podman_was_here" ] || podman_groups | tac | while read -r group; do rmdir "$group" 2> /dev/null || true; done
}
trap finish EXIT
trap 'exit 130' INT TERM
compile() { cc -O2 -static -o "$tmp/$1" "$here/$1.c" 2> /dev/null || cc -O2 -o "$tmp/$1" "$here/$1.c"; }
compile floor; compile floor-full; compile turns

# What a linker has just written lies in single pages in memory; what was installed is mapped in larger pieces.
mkdir "$tmp/bin" && install "$bin"/0[1-9]-* "$tmp/bin" && bin=$tmp/bin
names=() commands=()
add() { # NAME COMMAND: taken where it runs here
    if bash -c "$2" > "$tmp/log" 2>&1; then names+=("$1") commands+=("$2"); else echo "not compared: $1: $(tail -n 1 "$tmp/log")"; fi
}
bundle() { # for runc and crun: their default configuration, without a terminal
    mkdir -p "$tmp/bundle" && (cd "$tmp/bundle" && rm -f config.json && runc spec $([ "$(id -u)" = 0 ] || echo --rootless) &&
        sed -i 's|"terminal": true|"terminal": false|; s|"path": "rootfs"|"path": "'"$rootfs"'"|; s|"sh"$|"/bin/true"|' config.json)
}

add floor "$tmp/floor $rootfs /bin/true"
[ "$(id -u)" != 0 ] || add floor-full "$tmp/floor-full $rootfs /bin/true" # takes root: its ids and its cable
add 09-full "$bin/09-full $rootfs /bin/true"
add "09-full --overlay" "$bin/09-full --overlay $rootfs /bin/true"
[ "$(id -u)" != 0 ] || add "09-full + limits" "$bin/09-full --cpus 1 --memory 64M --pids 100 $rootfs /bin/true"
add "09-full, seccomp off" "$bin/09-full --seccomp off $rootfs /bin/true"
add 08-cgroup "$bin/08-cgroup $rootfs /bin/true"
add 06-mount "$bin/06-mount $rootfs /bin/true"
add unshare "unshare -U -r -m -u -i -n -p -f -C -T --mount-proc --root=$rootfs /bin/true"
add bwrap "bwrap --unshare-all --bind $rootfs / --proc /proc --dev /dev --tmpfs /tmp /bin/true"
if command -v runc > /dev/null && bundle; then
    add runc "runc --root $tmp/state run -b $tmp/bundle bench-\$\$"
    # crun takes v1 or v2, not a mixture: in a mount namespace of its own it is spared the sight of the v2 tree.
    add crun "unshare -m sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; crun --root $tmp/state run -b $tmp/bundle bench-\$\$'"
fi
[ "$(id -u)" != 0 ] || add podman "unshare -m -n podman --root $tmp/podman --runroot $tmp/podman2 --cgroup-manager=cgroupfs --runtime runc \
    run --rm --network=none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --rootfs $rootfs /bin/true"

rss() { command -v /usr/bin/time > /dev/null && bash -c "/usr/bin/time -f %M $1" 2>&1 > /dev/null | tail -n 1 || echo -; }
compare() { # WORD...: with these words before turns
    "$@" "$tmp/turns" "$runs" "${commands[@]}" > "$tmp/times"
    # A command may return before the last process of its container is gone: bwrap does, ours does not.
    printf '%-22s %8s %8s %8s %8s %8s %9s\n' "" median min max "x floor" gone memory
    for i in "${!names[@]}"; do
        awk -v line=$((i + 1)) -v name="${names[$i]}" -v rss="$(rss "${commands[$i]}")" \
            'NR == 1 { floor = $1 } NR == line { printf "%-22s %8.2f %8.2f %8.2f %8.2f %8.2f %9s\n", name, $1, $2, $3, $1 / floor, $4, rss }' "$tmp/times"
    done
}
echo; echo "as $(id -un), $runs runs of each, in turns; times in ms, memory in KiB"
compare

# Before other processes (sched(7)) nothing else comes in between, and what can run side by side does: usually some
# kernels keep processes that wait for each other on one processor.
if chrt -f 1 true 2> /dev/null; then
    for i in "${!names[@]}"; do
        case ${names[$i]} in floor* | 09-full | *"seccomp off" | bwrap) ;; *) unset "names[$i]" "commands[$i]" ;; esac
    done
    names=("${names[@]}") commands=("${commands[@]}")
    echo; echo "the same before all other processes of the machine (chrt -f 1)"
    compare chrt -f 1
fi

# pivot_root(2) looks at every process of the machine, so that the floor rises, too.
echo; echo "with so many containers already running, medians of 20 starts"
for count in 0 1 10 100 500; do
    while [ ${#running[@]} -lt "$count" ]; do
        "$bin/09-full" "$rootfs" sleep 3600 < /dev/null > /dev/null 2>&1 &
        running+=($!)
    done
    sleep 1
    hyperfine -N --warmup 2 --runs 20 --export-csv "$tmp/one" "$tmp/floor $rootfs /bin/true" "$bin/09-full $rootfs /bin/true" > /dev/null 2>&1
    awk -F, -v n="$count" 'NR == 2 { floor = $(NF-4) }
        NR == 3 { printf "%6d running: %8.2f ms, %.2f x floor\n", n, $(NF-4) * 1000, $(NF-4) / floor }' "$tmp/one"
done
for pid in "${running[@]}"; do kill "$pid" 2> /dev/null || true; done; wait; running=()

echo; echo "so many starts at once, median time until all have ended"
for count in 1 2 8; do
    all="for i in \$(seq $count); do $bin/09-full $rootfs /bin/true & done; wait"
    hyperfine --shell=bash --warmup 2 --runs 30 --export-csv "$tmp/one" "$all" > /dev/null 2>&1
    awk -F, -v n="$count" 'NR == 2 { printf "%6d at once: %8.2f ms, %.2f each\n", n, $(NF-4) * 1000, $(NF-4) * 1000 / n }' "$tmp/one"
done
