//! What chapter 05 claims, checked against the kernel.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Container, Identity, Launch, Step, chapter, holds, introduces, skip, wait_until};
use nix::errno::Errno;

const RANGE: &str = "0:100000:65536";

fn main() -> ExitCode {
    chapter(
        "05-user",
        vec![
            introduces("the container has a user namespace of its own", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("user namespace of the payload", container.payload.ns("user")?)
                    .differs_from(step.host().ns("user")?)
            }),
            introduces("root inside is who started the container", |step| {
                let container = step.start(&["sleep", "30"])?;
                let (uid, gid) = step.host().user();
                expect_map(step, &container, "uid_map", &format!("0 {uid} 1"))?;
                expect_map(step, &container, "gid_map", &format!("0 {gid} 1"))
            }),
            holds(
                "seen from the host, the payload has the ids of who started the container",
                |step| {
                    let container = step.start(&["sleep", "30"])?;
                    let (uid, gid) = step.host().user();
                    expect_ids(step, &container, uid, gid)
                },
            ),
            introduces("ids inside are those of the range that was asked for", |step| {
                let container = mapped(step).start(&["sleep", "30"])?;
                expect_map(step, &container, "uid_map", "0 100000 65536")?;
                expect_map(step, &container, "gid_map", "0 100000 65536")?;
                expect_ids(step, &container, 100_000, 100_000)
            })
            .only(Identity::Root),
            holds("several ranges are mapped, and the payload begins as 0", |step| {
                let launch = step
                    .launch()
                    .option("--uid-map", "5:100005:10")
                    .option("--uid-map", "0:200000:1");
                let container = launch.option("--gid-map", RANGE).start(&["sleep", "30"])?;
                expect_map(step, &container, "uid_map", "5 100005 10, 0 200000 1")?;
                expect_ids(step, &container, 200_000, 100_000)
            })
            .only(Identity::Root),
            introduces("with --no-map every id inside is nobody's", |step| {
                let container = step.launch().flag("--no-map").start(&["sleep", "30"])?;
                expect_map(step, &container, "uid_map", "")?;
                let output = step.launch().flag("--no-map").output(&["id", "-u"])?;
                step.expect("id -u", output.line()).equals("65534")
            }),
            introduces(
                "no group can be dropped to get at what is denied to it (CVE-2014-8989)",
                |step| {
                    let container = step.start(&["sleep", "30"])?;
                    expect_own_namespace(step, &container)?;
                    step.expect("setgroups", container.payload.file("setgroups")?.trim_end())
                        .equals("deny")
                },
            ),
            introduces(
                "the groups of who started it are dropped where a range is mapped",
                |step| {
                    let container = mapped(step).groups(&[4242, 4243]).start(&["sleep", "30"])?;
                    step.expect(
                        "supplementary groups of the payload",
                        container.payload.status("Groups")?,
                    )
                    .equals("")
                },
            )
            .only(Identity::Root),
            introduces("root inside may not read a file of the host's root", |step| {
                let rootfs = step.host().rootfs_with_try_call()?;
                make_secret(step, &rootfs.here.join("secret"))?;
                let answer = step.try_call(&mapped(step).rootfs(&rootfs), &["open", "/secret"])?;
                step.expect("open of a file with mode 0600", answer).equals(Err(Errno::EACCES))
            }),
            introduces("root inside may not mount on the host", |step| {
                let launch = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
                let answer = step.try_call(&launch, &["mount-tmpfs", "/tmp"])?;
                step.expect("mount of a tmpfs on /tmp", answer).equals(Err(Errno::EPERM))
            }),
            introduces("root inside may not make a device", |step| {
                let launch = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
                let answer = step.try_call(&launch, &["mknod-null", "/tmp/null"])?;
                step.expect("mknod of a character device", answer).equals(Err(Errno::EPERM))
            })
            .only(Identity::Root),
            holds("root inside has every capability, over what is inside", |step| {
                let container = step.start(&["sleep", "30"])?;
                let last: u32 =
                    fs::read_to_string("/proc/sys/kernel/cap_last_cap")?.trim().parse()?;
                step.expect("effective capabilities", container.payload.bits("CapEff")?)
                    .equals((2 << last) - 1)
            }),
            holds(
                "the payload dies with its launcher, though a change of ids takes the request back",
                |step| {
                    let mut container = mapped(step).start(&["sleep", "30"])?;
                    container.kill_launcher()?;
                    let ended = wait_until("the end", Duration::from_secs(2), || {
                        Ok(!container.payload.runs())
                    });
                    step.expect("the payload ends", ended.is_ok()).equals(true)
                },
            )
            .hint("the order of user::become_root and pid::die_with in steps/05-user/src/main.rs"),
            holds("ids are not written where /proc shows another PID namespace", |step| {
                let rootfs = step.host().rootfs()?;
                let step_05 =
                    [env!("CARGO_BIN_EXE_05-user"), rootfs.there.to_str().context("path")?];
                let command = [&["unshare", "--pid", "--fork"], &step_05[..], &["true"]].concat();
                let output = step.on_host().attempt(&command)?;
                step.expect("exit code", output.code()).equals(125)?;
                step.expect("the error", output.stderr).satisfies(
                    "about /proc, and not about a write to a stranger's",
                    |error| {
                        error.contains("another PID namespace") && !error.contains("write /proc")
                    },
                )
            })
            .only(Identity::Root),
            holds("maps that overlap are refused before anything is created", |step| {
                let launch =
                    step.launch().option("--uid-map", "0:1000:2").option("--uid-map", "1:2000:1");
                step.expect("exit code", launch.attempt(&["true"])?.code()).equals(2)
            }),
            holds("the payload never runs before its ids are mapped", |step| {
                // The launcher needs files of /proc for that: where they open late, the payload would win.
                for delay in ["openat=0ms", "openat=3ms", "openat=5ms"] {
                    let output = mapped(step).injecting(&[delay]).attempt(&["id", "-u"])?;
                    let both = [output.line(), output.stderr.trim_end()].concat();
                    step.expect("id -u", both).equals("0")?;
                }
                Ok(())
            }),
        ],
    )
}

/// Root maps a range that holds none of the host's own ids; an ordinary user can only map their own
/// one.
fn mapped(step: &Step) -> Launch<'_> {
    match step.identity {
        Identity::Root => step.launch().option("--uid-map", RANGE).option("--gid-map", RANGE),
        Identity::User => step.launch(),
    }
}

/// The file of a user namespace says how *its* ids are mapped, so it must not be the host's.
fn expect_own_namespace(step: &Step, container: &Container) -> Result<()> {
    step.expect("user namespace of the payload", container.payload.ns("user")?)
        .differs_from(step.host().ns("user")?)
}

fn expect_map(step: &Step, container: &Container, file: &str, map: &str) -> Result<()> {
    expect_own_namespace(step, container)?;
    let lines = container.payload.file(file)?;
    let lines: Vec<String> =
        lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    step.expect(file, lines.join(", ")).equals(map)
}

/// The real, effective, saved and file system ids, as the host counts.
fn expect_ids(step: &Step, container: &Container, uid: u32, gid: u32) -> Result<()> {
    let four = |id: u32| [id.to_string().as_str(); 4].join(" ");
    step.expect("Uid, outside", container.payload.status("Uid")?).equals(four(uid))?;
    step.expect("Gid, outside", container.payload.status("Gid")?).equals(four(gid))
}

/// A file that only root, as the host knows it, may read.
fn make_secret(step: &Step, path: &std::path::Path) -> Result<()> {
    fs::write(path, "secret").with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let root = step.host().root_id();
    match chown(path, Some(root), Some(root)) {
        Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => {
            skip("only root can make a file of root's")
        }
        result => result.with_context(|| format!("chown {}", path.display())),
    }
}
