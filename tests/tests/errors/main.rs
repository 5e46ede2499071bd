//! The table of errors, common/src/hints: each row is provoked on the real programs, and the book's
//! page says the same.
//!
//! `SNAPSHOTS=overwrite cargo test -p harness --test errors` writes the page anew.

use std::collections::BTreeSet;
use std::env;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, iter};

use anyhow::{Context, Result, ensure};
use common::hints::{Row, TABLE};
use harness::{
    HostPath, Identity, Launch, Output, Step, processes_with_argument, skip, suite, test,
    wait_until,
};
use libtest_mimic::Trial;
use provocations::{Provocation, provocations};

mod page;
mod provocations;

/// The exit code by which a script says that it cannot be tried here; its output says why.
const SKIPPED: i32 = 77;

/// Orphans may have to wait for a process 1 that reaps them only now and then.
const A_MOMENT: Duration = Duration::from_secs(4);

fn main() -> ExitCode {
    if env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite") {
        return page::write();
    }
    let tests = provocations().into_iter().flat_map(|provocation| {
        let check = move |identity| move || provocation.check(identity).context(provocation.script);
        provocation
            .identities()
            .map(move |identity| test(provocation.name(), identity, check(identity)))
    });
    let whole = [
        Trial::test("every row is provoked, and nothing else", || {
            Ok(all_are_provoked().map_err(|e| e.to_string())?)
        }),
        Trial::test("every row is missing where its answer has another cause", || {
            Ok(all_are_refuted().map_err(|e| e.to_string())?)
        }),
        Trial::test("the page is the table's", || Ok(page::compare().map_err(|e| e.to_string())?)),
    ];
    suite(tests.chain(whole).collect(), false)
}

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().flat_map(|group| group.rows)
}

fn row(name: &str) -> Result<&'static Row> {
    rows().find(|row| row.name == name).with_context(|| format!("there is no row {name}"))
}

fn all_are_provoked() -> Result<()> {
    let all: BTreeSet<_> = rows().map(|row| row.name).collect();
    let provoked: BTreeSet<_> = provocations().iter().filter_map(|it| it.row).collect();
    let difference: Vec<_> = all.symmetric_difference(&provoked).collect();
    ensure!(difference.is_empty(), "without a provocation, or without a row: {difference:?}");
    Ok(())
}

/// For each row there is a provocation with the row's answer that must not have its hint. That only
/// the provoked row's hint is printed, each provocation checks.
fn all_are_refuted() -> Result<()> {
    let refuting = provocations();
    for provocation in &refuting {
        for name in provocation.not {
            let (refuted, provoked) = (row(name)?, provocation.row.map(row).transpose()?);
            let shared = provoked.is_none_or(|row| has_answer_of(row, refuted));
            ensure!(shared, "{name} and {} have no answer in common", provocation.name());
        }
    }
    let refuted: BTreeSet<_> = refuting.iter().flat_map(|it| it.not).copied().collect();
    let without: Vec<_> = rows().map(|row| row.name).filter(|it| !refuted.contains(it)).collect();
    ensure!(without.is_empty(), "nothing refutes {without:?}");
    Ok(())
}

fn has_answer_of(row: &Row, other: &Row) -> bool {
    row.answers.is_empty()
        || other.answers.is_empty()
        || row.answers.iter().any(|answer| other.answers.contains(answer))
}

impl Provocation {
    fn identities(&self) -> impl Iterator<Item = Identity> + use<> {
        let only = self.only;
        [Identity::Root, Identity::User]
            .into_iter()
            .filter(move |identity| only.is_none_or(|it| it == *identity))
    }

    /// Runs the script on a host of its own, as root or as a user who is root of nothing, and looks
    /// at what is printed and at what is left.
    fn check(&self, identity: Identity) -> Result<()> {
        let step = match identity {
            Identity::Root => Step::new(1, identity)?,
            Identity::User => Step::without_root(1)?,
        };
        let (directory, before) = (workplace(&step)?, step.host().process().file("mountinfo")?);
        let run = |script| {
            launch(&step, &directory)?.spawn(&["sh", "-c", &format!("eval \"$PRELUDE\"\n{script}")])
        };
        let mut launched = run(self.script)?;
        let output = launched.wait()?;
        if output.code() == SKIPPED {
            return skip(output.line());
        }
        self.compare(&output)?;
        if let Some(script) = self.cured {
            cured(&run(script)?.wait()?).context(script)?;
        }
        let processes = || processes_with_argument(directory.join("rootfs").arg());
        let gone = || Ok(processes().is_empty() && group_of(launched.process().pid).is_none());
        wait_until("the end of all processes and groups", A_MOMENT, gone)?;
        let changes = step.host().mount_changes(&before)?;
        ensure!(changes.is_empty(), "left on the host: {changes:?}");
        Ok(())
    }

    /// One error or warning, and the row's hint or none.
    fn compare(&self, output: &Output) -> Result<()> {
        let printed = format!("{}{}", output.stdout, output.stderr);
        let expected: Vec<_> = self.row.map(row).transpose()?.iter().map(|row| row.hint).collect();
        let hints: Vec<_> =
            printed.lines().filter_map(|line| line.trim_end().strip_prefix("hint: ")).collect();
        ensure!(hints == expected, "expected the hints {expected:?}\nprinted: {printed}");
        ensure!(
            output.code() == self.code,
            "exit code {}, expected {}: {printed}",
            output.code(),
            self.code
        );
        let begins = if self.code == 0 { "warning: " } else { "Error: " };
        ensure!(
            printed.lines().filter(|line| line.starts_with(begins)).count() == 1,
            "not one {begins}\nprinted: {printed}"
        );
        ensure!(!printed.contains("panicked"), "a panic: {printed}");
        Ok(())
    }
}

fn cured(output: &Output) -> Result<()> {
    ensure!(
        output.code() == 0 && !output.stderr.contains("Error: "),
        "the cure did not help: {}",
        output.stderr
    );
    Ok(())
}

/// A directory with `rootfs`, by a path that nobody else has, so that the processes of this script
/// are known by it, and `tmp`, to mount something on.
fn workplace(step: &Step) -> Result<HostPath> {
    let directory = step.host().directory()?;
    symlink(step.host().rootfs()?.there, &directory.join("rootfs").here).context("symlink")?;
    let scratch = directory.join("tmp").here;
    fs::create_dir(&scratch).context("mkdir tmp")?;
    step.host().give_to_user(&scratch)?;
    Ok(directory)
}

fn launch<'a>(step: &'a Step, directory: &HostPath) -> Result<Launch<'a>> {
    let programs = step.host().try_call()?.there;
    let programs = programs.parent().context("a program without a directory")?;
    // An ordinary user's PATH often leaves out where sysctl(8) is.
    let path =
        format!("{}:{}:/usr/sbin:/sbin", programs.display(), env::var("PATH").unwrap_or_default());
    let (rootfs, scratch) = (directory.join("rootfs"), directory.join("tmp"));
    let variables = [
        ("PATH", path.as_str()),
        ("PRELUDE", PRELUDE),
        ("MKDIR", MKDIR),
        ("DIR", directory.arg()),
        ("ROOTFS", rootfs.arg()),
        ("TMP", scratch.arg()),
    ];
    Ok(variables
        .iter()
        .fold(step.on_host(), |launch, (name, value)| launch.environment(name, value)))
}

/// The control group of a launcher, if it is still there.
fn group_of(launcher: i32) -> Option<PathBuf> {
    let name = format!("container-{launcher}");
    let below = |dirs: Vec<PathBuf>| -> Vec<PathBuf> {
        dirs.iter().flat_map(|dir| directories(dir)).collect()
    };
    let levels = iter::successors(Some(vec![PathBuf::from("/sys/fs/cgroup")]), |dirs| {
        Some(below(dirs.clone()))
    });
    levels.take(6).flatten().find(|dir| dir.ends_with(&name))
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// How mkdir(3) calls the kernel.
const MKDIR: &str = if cfg!(target_arch = "x86_64") { "mkdir" } else { "mkdirat" };

/// What the scripts are written in. `own SETUP COMMAND…` runs SETUP with all rights in namespaces
/// of its own, in which everybody is who they were, and then COMMAND without those rights; the
/// process stays the same one.
const PRELUDE: &str = r#"
ONE="--uid-map 0:$(id -u):1 --gid-map 0:$(id -g):1"   # which needs no newuidmap
skip() { echo "$1"; exit 77; }
# As another machine would show a file: in its place is a kernel's file, the name of a process, with up to 15 letters.
show() {
    named=$( ( echo "$1" > /proc/self/comm; while kill -0 $$; do sleep 0.1; done ) >/dev/null 2>&1 & echo $!)
    until [ "$(cat /proc/$named/comm)" = "$1" ]; do sleep 0.01; done
    mount -t tmpfs none "${2%/*}" && : > "$2" && mount --bind /proc/$named/comm "$2"
}
own() {
    setup=$1; shift
    unshare $OWN --user --map-current-user --keep-caps --mount --ipc \
        sh -c 'eval "$PRELUDE"; eval "$0" && exec setpriv --ambient-caps=-all --inh-caps=-all "$@"' "$setup" "$@"
}
# The control groups of another machine: in which group we are there, how its tree is mounted, what the tree has.
groups() {
    mount -t tmpfs none $TMP && echo "$1" > $TMP/cgroup && echo "30 1 0:26 / /sys/fs/cgroup $2" > $TMP/mountinfo
    mount -t tmpfs none /sys/fs/cgroup && (cd /sys/fs/cgroup && eval "$3")
    mount --bind $TMP/cgroup /proc/$$/cgroup && mount --bind $TMP/mountinfo /proc/$$/mountinfo
}
v1() { groups 5:cpu,pids:/ 'rw - cgroup cgroup rw,cpu,pids' "${1:-:}"; }
v2() {
    groups 0::/ "${2:-rw} - cgroup2 cgroup2 rw" \
        "echo cpu memory pids > cgroup.controllers; touch cgroup.procs cgroup.subtree_control; ${1:-:}"
}
"#;
