#!/bin/bash
# stress.sh BIN ROOTFS: many containers in a row and at once, and launchers killed in the middle. What the host has
# afterwards must be what it had before.
set -u
bin=$(realpath "$1") rootfs=$(realpath "$2") limits= failed=0 log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$bin/09-full" --memory 64M --pids 50 "$rootfs" true > /dev/null 2>&1 && limits="--memory 64M --pids 50"

count() { # what a container could leave behind
    printf 'processes %s\n' "$(ps -u "$(id -u)" -o stat=,comm= | awk '$1 !~ /^Z/ && $2 ~ /^(09-full|cleaner)$/' | wc -l)"
    printf 'zombies %s\n' "$(ps -u "$(id -u)" -o stat=,comm= | awk '$1 ~ /^Z/ && $2 ~ /^(09-full|cleaner|container-init)$/' | wc -l)"
    printf 'mounts %s\n' "$(wc -l < /proc/self/mountinfo)"
    printf 'links %s\n' "$(ls /sys/class/net | wc -l)"
    printf 'cgroups %s\n' "$(find /sys/fs/cgroup -type d -name 'container-*' 2> /dev/null | wc -l)"
    printf 'namespaces %s\n' "$(ls -l /proc/[0-9]*/ns 2> /dev/null | grep -o '[a-z]*:\[[0-9]*\]' | sort -u | wc -l)"
    printf 'open-files %s\n' "$([ "$(id -u)" != 0 ] && echo 0 || cut -f 1 /proc/sys/fs/file-nr)"
}
part() { # NAME COMMAND
    local before after begin=$SECONDS
    before=$(count)
    "${@:2}"
    wait
    for _ in $(seq 20); do # links go 50 ms after their namespace, and orphans' parents may be slow
        after=$(count)
        same "$before" "$after" && break
        sleep 0.2
    done
    printf '%-44s %4d s   ' "$1" $((SECONDS - begin))
    if same "$before" "$after"; then echo "the host is as before"; else failed=1; echo "DIFFERENT"; diff <(echo "$before") <(echo "$after"); fi
}
# The number of open files includes those that the kernel frees a little later, and other programs': 64 more are none.
same() {
    [ "$(grep -v open-files <<< "$1")" = "$(grep -v open-files <<< "$2")" ] &&
        [ $(($(sed -n 's/open-files //p' <<< "$2") - $(sed -n 's/open-files //p' <<< "$1"))) -le 64 ]
}
in_a_row() { for _ in $(seq 1000); do "$bin/09-full" $limits "$rootfs" true < /dev/null 2> "$log" || { echo "exit code $?: $(cat "$log")"; failed=1; }; done; }
at_once() { for _ in $(seq 100); do "$bin/09-full" $limits "$rootfs" sleep 1 < /dev/null 2>> "$log" || echo "exit code $?: $(tail -n 1 "$log")" & done; wait; }
killed() {
    for _ in $(seq 200); do
        "$bin/09-full" $limits "$rootfs" sleep 60 < /dev/null > /dev/null 2>&1 & pid=$!
        sleep "0.0$(printf %02d $((RANDOM % 20)))"
        kill -KILL "$pid"
        wait "$pid" 2> /dev/null
    done
}
part "1000 in a row" in_a_row
part "100 at once" at_once
part "200 launchers killed in their first 20 ms" killed 2> /dev/null
exit $failed
