//! What chapter 09 claims, checked against the kernel.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{
    Container, Identity, Launch, Outcome, Process, Step, about, chapter, holds, introduces,
    wait_until,
};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

/// What docker and runc call dangerous: SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT,
/// SYS_TIME, MAC_OVERRIDE, MAC_ADMIN, SYSLOG, PERFMON, BPF, CHECKPOINT_RESTORE; and NET_ADMIN and
/// NET_RAW (linux/capability.h).
const DANGEROUS: [u32; 14] = [12, 13, 16, 17, 19, 21, 22, 25, 32, 33, 34, 38, 39, 40];

const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

fn main() -> ExitCode {
    let claims = [
        about("steps/09-full/src/owners/mod.rs and steps/09-full/src/owners/idmap.rs", ids()),
        about("steps/09-full/src/confine/capabilities.rs", capabilities()),
        about(
            "steps/09-full/src/confine/masks.rs and steps/09-full/src/files/volumes.rs",
            mounts(),
        ),
        about("steps/09-full/src/confine/inheritance.rs", process()),
        about("steps/09-full/src/life/init.rs", life()),
    ];
    chapter("09-full", claims.concat())
}

fn ids() -> Vec<harness::Claim> {
    vec![
        introduces("root inside is not root outside, even when root starts it", |step| {
            let container = step.start(&["sleep", "30"])?;
            let uid = container.payload.status("Uid")?;
            step.expect("its user id outside", uid).satisfies("not 0", |uid| !uid.starts_with("0 "))
        })
        .only(Identity::Root),
        introduces("65536 ids are there", |step| {
            let container = step.start(&["sleep", "30"])?;
            let map = container.payload.file("uid_map")?;
            let ids: u64 = map
                .lines()
                .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok())
                .sum();
            step.expect("ids in uid_map", ids).equals(65536)
        })
        .only(Identity::Root),
        holds("without idmapped mounts root's files are nobody's inside, and it goes on", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            let launch = step.launch().rootfs(&rootfs).injecting(&["mount_setattr=ENOSYS"]);
            step.expect("owner of /etc", launch.output(&["stat", "-c", "%u", "/etc"])?.line())
                .equals("65534")
        })
        .only(Identity::Root),
        holds("a file made by root inside is on the disk the caller's own", |step| {
            step.needs_idmapped_mounts()?;
            let rootfs = step.host().copy_of_rootfs()?;
            step.launch().rootfs(&rootfs).output(&["touch", "/made"])?;
            let owner = fs::metadata(rootfs.here.join("made")).context("/made")?.uid();
            step.expect("its owner", owner).equals(step.host().user().0)
        }),
        holds("root inside owns the root filesystem", |step| {
            step.needs_idmapped_mounts()?;
            let rootfs = step.host().copy_of_rootfs()?; // of root's, whoever built the common one
            let output = step.launch().rootfs(&rootfs).output(&["stat", "-c", "%u", "/etc"])?;
            step.expect("owner of /etc", output.line()).equals("0")
        })
        .only(Identity::Root),
    ]
}

fn capabilities() -> Vec<harness::Claim> {
    vec![
        introduces("no dangerous capability is left in any set", |step| {
            let container = step.start(&["sleep", "30"])?;
            let held = SETS
                .map(|set| container.payload.bits(set))
                .into_iter()
                .collect::<Result<Vec<_>>>()?;
            let dangerous = |bits: &u64| DANGEROUS.iter().any(|bit| bits & (1 << bit) != 0);
            step.expect(
                "sets with a dangerous one",
                held.iter().filter(|bits| dangerous(bits)).count(),
            )
            .equals(0)
        }),
        introduces("all five sets are the same", |step| {
            let container = step.start(&["sleep", "30"])?;
            let sets = SETS
                .map(|set| container.payload.bits(set))
                .into_iter()
                .collect::<Result<BTreeSet<_>>>()?;
            step.expect("different sets", sets.len()).equals(1)
        }),
        introduces("one can drop them all", |step| {
            let container = step.launch().option("--cap-drop", "ALL").start(&["sleep", "30"])?;
            step.expect("bounding set", container.payload.bits("CapBnd")?).equals(0)
        }),
        introduces("process 1 has no more than the payload", |step| {
            let container = step.start(&["sleep", "30"])?;
            let bounding = process_1(&container)?.bits("CapBnd")?;
            step.expect("bounding set of process 1", bounding)
                .satisfies("nothing dangerous", |bits| {
                    DANGEROUS.iter().all(|bit| bits & (1 << bit) == 0)
                })
        }),
        introduces("nobody inside mounts anything", |step| {
            let inside = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
            step.expect("mount", step.try_call(&inside, &["mount-tmpfs", "/tmp"])?)
                .equals(Err(Errno::EPERM))
        }),
        introduces("what covers a file of the kernel cannot be taken off", |step| {
            let inside = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
            step.expect("umount", step.try_call(&inside, &["unmount", "/proc"])?)
                .equals(Err(Errno::EPERM))
        }),
        introduces("nobody inside makes a user namespace", |step| {
            let inside = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
            let made = step.try_call(&inside, &["unshare-user"])?;
            step.expect("unshare", made).satisfies("refused", |result| result.is_err())
        }),
        introduces("nobody inside makes a user namespace, even without the filter", |step| {
            let answer = step.attack("user-namespace", &[("--seccomp", "off")])?;
            step.expect("the attack user-namespace", answer.outcome).equals(Outcome::Stopped)
        })
        .hint("NO_USER_NAMESPACES in steps/09-full/src/confine/masks.rs"),
    ]
}

fn mounts() -> Vec<harness::Claim> {
    vec![
        introduces("a kernel setting of the host cannot be opened for writing", |step| {
            let inside = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
            for file in ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/panic_on_oom"] {
                let opened = step.try_call(&inside, &["open-write", file])?;
                step.expect(file, opened).satisfies("EACCES or EROFS", |result| {
                    matches!(result, Err(Errno::EACCES | Errno::EROFS))
                })?;
            }
            Ok(())
        })
        .only(Identity::Root),
        introduces(
            "what changes the machine can only be read, whatever the ids and capabilities",
            |step| {
                let container = step.start(&["sleep", "30"])?;
                let mounts = container.payload.mounts()?;
                for path in
                    ["/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"]
                {
                    let mount = mounts.iter().rfind(|mount| mount.point == path);
                    let there = container.payload.inside(path).exists();
                    step.expect(
                        format!("options of a mount on {path}"),
                        mount.map(|mount| mount.options.as_str()),
                    )
                    .satisfies("ro, if it is there", |options| {
                        !there || options.is_some_and(|options| options.starts_with("ro,"))
                    })?;
                }
                Ok(())
            },
        ),
        introduces("/proc/interrupts, /proc/keys and their like are empty", |step| {
            let container = step.start(&["sleep", "30"])?;
            for file in ["/proc/interrupts", "/proc/keys", "/proc/timer_list", "/proc/kallsyms"] {
                let content = fs::read(container.payload.inside(file)).unwrap_or_default();
                step.expect(format!("bytes in {file}"), content.len()).equals(0)?;
            }
            Ok(())
        }),
        introduces("no set-user-ID program and no device on the root filesystem counts", |step| {
            let container = step.start(&["sleep", "30"])?;
            let mounts = container.payload.mounts()?;
            let root = mounts.iter().find(|mount| mount.point == "/").context("no /")?;
            step.expect("options of /", root.options.clone()).satisfies(
                "nosuid and nodev",
                |options| {
                    ["nosuid", "nodev"]
                        .iter()
                        .all(|flag| options.split(',').any(|option| option == *flag))
                },
            )
        }),
        introduces("with --read-only nothing is written to the root filesystem", |step| {
            let rootfs = step.host().rootfs_with_try_call()?;
            rootfs.join("file").write("")?;
            fs::set_permissions(rootfs.here.join("file"), Permissions::from_mode(0o666))
                .context("chmod")?;
            let inside = step.launch().flag("--read-only").rootfs(&rootfs);
            step.expect("open", step.try_call(&inside, &["open-write", "/file"])?)
                .equals(Err(Errno::EROFS))
        }),
        holds("a volume is the host's directory, and read-only where it says so", |step| {
            let directory = step.host().directory()?;
            directory.join("file").write("from outside")?;
            let launch = |ro: &str| {
                step.launch().option("--volume", &format!("{}:/mnt{ro}", directory.arg()))
            };
            step.expect("file", launch("").output(&["cat", "/mnt/file"])?.line())
                .equals("from outside")?;
            let code = launch(":ro").output(&["sh", "-c", "echo > /mnt/file"])?.code();
            step.expect("exit code of writing to it", code).satisfies("not 0", |code| *code != 0)
        }),
    ]
}

fn process() -> Vec<harness::Claim> {
    vec![
        introduces("the launcher's environment stays outside", |step| {
            let container = step.launch().environment("SECRET", "4711").start(&["sleep", "30"])?;
            step.expect("environment", container.payload.file("environ")?)
                .satisfies("no SECRET", |environ| !environ.contains("SECRET"))
        }),
        introduces("an open descriptor of the launcher's is not inherited", |step| {
            step.expect("descriptors", descriptors(step, step.launch())?).equals(3)
        }),
        introduces("nor is it where close_range(2) is not there", |step| {
            let launch = step.launch().injecting(&["close_range=ENOSYS"]);
            step.expect("descriptors", descriptors(step, launch)?).equals(3)
        })
        .only(Identity::Root), // of a user `inject-errno` takes newuidmap's set-user-ID bit as well
        introduces("the program of process 1 cannot be written to", |step| {
            let inside = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
            let opened = step.try_call(&inside, &["open-write", "/proc/1/exe"])?;
            step.expect("open /proc/1/exe", opened).equals(Err(Errno::EACCES))
        })
        .only(Identity::Root),
        introduces(
            "nobody inside gets to the program that process 1 was made from (CVE-2019-5736)",
            |step| {
                let found = step.output(&["sh", "-c", "readlink /proc/1/exe; :"])?;
                step.expect("readlink /proc/1/exe", found.line()).equals("")
            },
        ),
        introduces(
            "a key of the launcher's login session is not found, even without the filter",
            |step| {
                let answer = step.attack("session-key", &[("--seccomp", "off")])?;
                step.expect("the attack session-key", answer.outcome).equals(Outcome::Stopped)
            },
        ),
        introduces("the container has a time namespace of its own", |step| {
            let container = step.start(&["sleep", "30"])?;
            step.expect("time namespace of the payload", container.payload.ns("time")?)
                .differs_from(step.host().ns("time")?)
        }),
        holds("--workdir follows links of the image, and none of /proc/PID", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            for (name, target, code) in [("a", "etc", 0), ("b", "/proc/self/cwd", 125)] {
                symlink(target, rootfs.here.join(name)).context("symlink")?;
                let launch = step.launch().rootfs(&rootfs).option("--workdir", &format!("/{name}"));
                step.expect(target, launch.attempt(&["true"])?.code()).equals(code)?;
            }
            Ok(())
        }),
        holds("--workdir, --user and --env are what the payload has", |step| {
            let launch = step
                .launch()
                .option("--workdir", "/tmp")
                .option("--user", "0:0")
                .option("--env", "A=b");
            let output = launch.output(&["sh", "-c", "echo $(pwd) $(id -u) $A"])?;
            step.expect("inside", output.line()).equals("/tmp 0 b")
        }),
    ]
}

fn life() -> Vec<harness::Claim> {
    vec![
        introduces("orphans leave no zombies", |step| {
            let script = "for i in $(seq 20); do (sleep 0.5 & true); done; exec sleep 30";
            let container = step.start(&["bash", "-c", script])?;
            let asleep = || Ok(container.payload.file("comm")?.trim() == "sleep");
            wait_until("the payload has made its orphans", Duration::from_secs(10), asleep)?;
            wait_until("the orphans have ended", Duration::from_secs(10), || {
                Ok(orphans(&container) == 0)
            })?;
            let _ = wait_until("they are reaped", Duration::from_secs(1), || {
                Ok(zombies(&container) == 0)
            });
            step.expect("zombies", zombies(&container)).equals(0)
        }),
        introduces("SIGTERM ends a payload that has no handler for it", |step| {
            let container = step.start(&["sleep", "30"])?;
            container.signal_payload(libc::SIGTERM)?;
            let mut container = container;
            let ended =
                wait_until("the end", Duration::from_secs(2), || Ok(!container.payload.runs()));
            step.expect("ended", ended.is_ok()).equals(true)?;
            step.expect("exit code", container.wait()?.code()).equals(128 + libc::SIGTERM)
        }),
        holds("process 1 passes a signal on to the payload", |step| {
            let wait = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done";
            let mut container = step.start(&["bash", "-c", wait])?;
            container.read_line()?;
            kill(Pid::from_raw(process_1(&container)?.pid), Signal::SIGTERM)
                .context("kill process 1")?;
            let ended =
                wait_until("the end", Duration::from_secs(2), || Ok(!container.payload.runs()));
            step.expect("the payload ends", ended.is_ok()).equals(true)?;
            step.expect("exit code", container.wait()?.code()).equals(9)
        }),
        holds("a signal to process 1 from inside reaches the payload, SIGKILL does not", |step| {
            let script = "kill -KILL 1 && trap 'exit 9' TERM && (kill -TERM 1) && \
                          for i in $(seq 50); do sleep 0.1; done; exit 0";
            step.expect("exit code", step.output(&["bash", "-c", script])?.code()).equals(9)
        }),
        holds("the payload dies with its launcher, though its ids are others by then", |step| {
            // An ordinary user may have only one id.
            let user = if step.identity == Identity::Root { "1000:1000" } else { "0:0" };
            let mut container = step.launch().option("--user", user).start(&["sleep", "30"])?;
            container.kill_launcher()?;
            let ended =
                wait_until("the end", Duration::from_secs(2), || Ok(!container.payload.runs()));
            step.expect("the payload ends", ended.is_ok()).equals(true)
        })
        .hint("pid::die_with in steps/09-full/src/main.rs and steps/09-full/src/lib.rs"),
        holds("the payload's exit code comes back", |step| {
            step.expect("exit code", step.output(&["sh", "-c", "exit 7"])?.code()).equals(7)
        }),
    ]
}

/// The container's first process, as the host numbers it.
fn process_1(container: &Container) -> Result<Process> {
    let first = |process: &Process| process.ns_pids().is_ok_and(|pids| pids.last() == Some(&1));
    container.launcher.descendants().into_iter().find(first).context("no process 1")
}

/// The processes inside that run, besides the payload and process 1.
fn orphans(container: &Container) -> usize {
    let its_own = container.payload.ns_pids().map_or(0, |pids| pids.len());
    let inside = |process: &Process| {
        process.ns_pids().is_ok_and(|pids| pids.len() == its_own && pids.last() != Some(&1))
    };
    let other =
        |process: &&Process| **process != container.payload && process.runs() && inside(process);
    container.launcher.descendants().iter().filter(other).count()
}

fn zombies(container: &Container) -> usize {
    let inside = container.payload.ns("pid").ok();
    let zombie =
        |process: &Process| process.status("State").is_ok_and(|state| state.starts_with('Z'));
    let ours = |process: &Process| process.ns("pid").ok() == inside || process.ns("pid").is_err();
    container
        .launcher
        .descendants()
        .iter()
        .filter(|process| zombie(process) && ours(process))
        .count()
}

/// How many files a payload has open that was started with one more. A program that is still being
/// loaded would have its libraries open as well.
/// How many the payload has where one end of a pipe was left open: chapter 06 closes only what leads
/// to a file.
fn descriptors(step: &Step, launch: Launch) -> Result<usize> {
    let pipe = step.host().directory()?.join("pipe");
    mkfifo(&pipe.here, Mode::from_bits_truncate(0o644)).context("mkfifo")?;
    let launch = launch.leaking_path(9, &pipe)?;
    let mut container = launch.start(&["sh", "-c", "echo ready; sleep 30; :"])?;
    container.read_line()?;
    Ok(fs::read_dir(format!("/proc/{}/fd", container.payload.pid)).context("descriptors")?.count())
}
