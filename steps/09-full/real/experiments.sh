#!/bin/bash
# experiments.sh IMAGE: real software in containers of step 09, in the current directory, which has the programs of the
# course in bin/. Each experiment is a function: it fails where something is not as it must be, prints a figure if it has
# one, and calls skip where it cannot be tried. A line of the output is `name|ok|figure`, `…|skipped|reason` or `…|FAIL|reason`.
#
# The network here has the address $MIRROR, which plays the Internet.
set -u
image=$1 rootfs=

container() { bin/09-full "$@"; }
skip() { echo "$*"; exit 77; }
need() { for program; do command -v "$program" > /dev/null || skip "$program is not installed"; done; }
wait_for() { for _ in $(seq 150); do ! "$@" > /dev/null 2>&1 || return 0; sleep 0.1; done; echo "never: $*" >&2; return 1; }

# start NAME OPTION… -- COMMAND…: a container in the background.
start() {
    local name=$1 options=(); shift
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    container --detach --name "$name" --overlay "${options[@]}" "$rootfs" "$@" > /dev/null
}
# stop NAME: and it must not have ended before.
stop() { bin/containers stop "$1" > /dev/null && bin/containers rm "$1" > /dev/null; }

# direct NAME COMMAND…: runs COMMAND where the container's own address is reached, in its launcher's network. @ is the address.
direct() {
    local pid address launcher as=(); pid=$(field "$1" pid) address=$(field "$1" address); shift
    launcher=$(ps -o ppid= "$pid" | tr -d ' ')
    [ "$(id -u)" = 0 ] || as=(--user --preserve-credentials)
    nsenter --target "$launcher" --net "${as[@]}" "${@//@/$address}"
}
field() { bin/containers --json | awk -v name="\"$1\"," -v field="\"$2\":" '$1 == "\"name\":" { here = $2 == name } here && $1 == field { gsub(/[",]/, "", $2); print $2 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

image() {
    bin/rootfs image --name debian "$image/image.tar.zst" > path
    du -sh --apparent-size rootfs 2> /dev/null | cut -f 1
}

apt() {
    start mirror --publish "$MIRROR:8080:80" --volume "$image/packages:/var/www/html:ro" -- nginx -g 'daemon off;'
    wait_for curl --silent --fail "http://$MIRROR:8080/Packages"
    container --internet --overlay "$rootfs" sh -ec "
        echo 'deb [trusted=yes] http://$MIRROR:8080/ ./' > /etc/apt/sources.list
        apt-get --quiet update; apt-get install --quiet --yes sudo; dpkg --audit; stat --format '%U %a' /usr/bin/sudo" > log &&
        [ "$(tail -n 1 log)" = "root 4755" ] && stop mirror
}

# Debian's own cluster, with the owners that its package has given it.
postgres() {
    need psql
    start db --network real --user postgres --publish 15432:5432 -- sh -ec '
        cd /etc/postgresql/*/main; echo host all all all trust > /tmp/hba
        exec /usr/lib/postgresql/*/bin/postgres -c config_file=$PWD/postgresql.conf -c hba_file=/tmp/hba -c "listen_addresses=*"'
    ask() { psql --host 127.0.0.1 --port 15432 --user postgres --tuples-only --no-align --command "$1"; }
    wait_for ask 'select 1' &&
        container --network real --overlay "$rootfs" psql --host db --user postgres \
            --command 'create table numbers as select generate_series(1, 1000000) as n' > log &&
        [ "$(ask 'select sum(n) from numbers')" = 500000500000 ] && stop db
}

# Answers per second: through the published port, and at the container's own address.
redis() {
    need redis-benchmark nsenter
    start redis --publish 16379:6379 -- redis-server --save '' --protected-mode no
    wait_for redis-benchmark -p 16379 -n 1 -t ping
    for pipeline in 1 16; do
        published=$(answers redis-benchmark -p 16379 -P $pipeline)
        direct=$(answers direct redis redis-benchmark -h @ -P $pipeline)
        printf '%s ' "-P $pipeline: $(ratio "$published" "$direct")"
    done
    echo "of direct"
    stop redis
}
answers() { "$@" --csv -t get -n 200000 | awk -F '"' '$2 == "GET" { print $4 }'; }

# 100 MB in one piece, and small answers per second.
nginx() {
    need curl wrk nsenter
    mkdir -m 755 www; head -c 100M /dev/urandom > www/large; echo small > www/index.html
    start web --publish 18080:80 --volume "$PWD/www:/var/www/html:ro" -- nginx -g 'daemon off;'
    wait_for curl --silent --fail http://127.0.0.1:18080/
    [ "$(curl --silent http://127.0.0.1:18080/large | sha256sum)" = "$(sha256sum < www/large)" ] || return 1
    published=$(requests wrk http://127.0.0.1:18080/)
    direct=$(requests direct web wrk http://@/)
    echo "wrk: $(ratio "$published" "$direct") of direct"
    stop web
}
requests() { "$@" --threads 1 --connections 16 --duration 3 | awk '$1 == "Requests/sec:" { print $2 }'; }

sshd() {
    need ssh
    start ssh --publish 12022:22 -- sh -c 'mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e'
    login() { ssh -p 12022 -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 "$@"; }
    wait_for login true
    [ "$(login 'whoami; exit 3')" = root ]; [ $? = 0 ] && login -tt tty | grep -q /dev/pts/ && stop ssh
}

# An array of 2 GB in a certificate that never ends: a JVM that knows its limit gives up by itself.
jvm() {
    limits --memory 512M --cpus 1
    container --memory 512M --cpus 1 --overlay "$rootfs" sh -c '
        java -XX:+PrintFlagsFinal -version 2> /dev/null | awk "/ MaxHeapSize/ { print \$4 / 1024 / 1024 }"
        { printf "\060\204\177\377\377\000"; cat /dev/zero; } | keytool -printcert 2>&1' > log
    grep -q OutOfMemoryError log && echo "heap of at most $(head -n 1 log) MiB"
}

# All stressors of this class at once, where nothing can be written to the disk. They take what the limits give, and
# SIGKILL ends them all. (The stressor dccp sends SIGALRM to its parent, which is process 1 by then, and passes it on.)
stress_ng() {
    limits --memory 1G --cpus 1 --pids 1000
    timeout --signal KILL 20 bin/09-full --memory 1G --cpus 1 --pids 1000 --read-only --tmpfs /tmp:256M --workdir /tmp \
        "$rootfs" stress-ng --class os --all 1 --exclude dccp --timeout 10 > log 2>&1
    killed=$SECONDS
    grep -q 'dispatching hogs' log && wait_for sh -c '! pgrep ^stress-ng' && echo "gone after $((SECONDS - killed)) s"
}

# limits OPTION…: not everybody may set them.
limits() { container "$@" --overlay "$rootfs" true > log 2>&1 || skip "$(sed -n 's/^Error: //p' log)"; }

for experiment in image apt postgres redis nginx sshd jvm stress_ng; do
    begin=$SECONDS
    figure=$($experiment 2> errors) code=$?
    case $code in
        0) result=ok ;;
        77) result=skipped ;;
        *) result=FAIL figure=$(tail -n 1 errors | cut -c 1-100) ;;
    esac
    echo "$experiment|$result|$figure"
    echo "    $experiment: $result, $((SECONDS - begin)) s   $figure" >&2
    if [ $result = FAIL ]; then tail -n 5 errors log >&2; fi
    for name in $(bin/containers --json | sed -n 's/^ *"name": "\(.*\)",/\1/p'); do bin/containers kill --signal KILL "$name"; done
    [ ! -s path ] || rootfs=$(cat path)
done
bin/rootfs remove
