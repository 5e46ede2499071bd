# table.awk: kernels, layouts and who starts the claims × steps, from the TAP of the machines. A cell has how many held, how many
# failed and how many were not tried; below stand the failures, and why something was not tried. Exit code 1 with a failure.

# A claim: `ok 3 - 05-user as root: says`. Those of an identity that cannot be here are nobody's business.
/^(not )?ok [0-9]+ - 0[1-9]-[a-z]+ as (root|user): / {
    match($0, /0[1-9]-[a-z]+ as (root|user)/)
    split(substr($0, RSTART, RLENGTH), word, " ")
    if (/# SKIP the tests were not started by root/) next
    count(word[3], substr(word[1], 1, 2), /^not ok/ ? "failed" : / # SKIP / ? "skipped" : "held")
}

# What else is tried has no cell.
/^not ok/ { failures = failures "  " FILENAME ": " $0 "\n" }
/^(not )?ok/ && / # SKIP / && !/not started by root/ { reasons[substr($0, index($0, " # SKIP ") + 8)]++ }
/^ok [0-9]+ - with / { restrictions++ }

# Comes last in a file: what its machine was.
/^# plan / {
    for (who = 1; who <= 2; who++) {
        identity = who == 1 ? "root" : "user"
        if (!(identity in seen)) continue
        line = sprintf("%-28s %-10s %-8s", $3, $4 ($0 ~ /uidmap=no/ ? "*" : ""), identity == "user" && $5 == "user" ? "user's" : identity)
        for (step = 1; step <= 9; step++) line = line sprintf(" %9s", cell(identity, "0" step))
        rows[++number] = line
    }
    delete seen
    delete counts
}

function count(identity, step, what) {
    seen[identity]
    counts[identity, step, what]++
    counts[identity, step, "all"]++
    total[what]++
}

function cell(identity, step) {
    if (!((identity, step, "all") in counts)) return "."
    return sprintf("%d/%d/%d", counts[identity, step, "held"], counts[identity, step, "failed"], counts[identity, step, "skipped"])
}

END {
    printf "\n%-28s %-10s %-8s %9s %9s %9s %9s %9s %9s %9s %9s %9s\n", "kernel", "cgroups", "as", "01", "02", "03", "04", "05", "06", "07", "08", "09"
    for (row = 1; row <= number; row++) print rows[row]
    printf "\nEach cell: claims held/failed/not tried. %d held, %d failed, %d not tried; %d checks of restrictions and their hints held.\n", \
        total["held"], total["failed"], total["skipped"], restrictions
    print "as: root and user, the claims being started by root; user's, started by an ordinary user. *: without newuidmap."
    for (reason in reasons) print "  " reasons[reason] " not tried: " reason
    if (failures) printf "failed:\n%s", failures
    exit failures != ""
}
