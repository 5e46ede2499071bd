//! What another user, another mount or a person at the terminal has to do with a container.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, Result};

use super::peers::Request;
use super::stage::{OTHER_USER, Stage, Staged, reason};
use super::{Attack, gained, nothing, staged};
use crate::host::HostPath;
use crate::paths;
use crate::process::wait_until;
use crate::skip;

pub(super) const ATTACKS: &[Attack] = &[
    staged(
        "submount-read-only",
        "",
        "writes to what is mounted below a read-only volume",
        "the flags of a mount hold for what is mounted below it: mount_setattr(2) with AT_RECURSIVE",
        |stage| {
            let volume = volume_with_submount(stage)?;
            let request =
                Request { volume: Some((&volume, "/mnt")), read_only: true, ..Request::default() };
            stage.ensure_works(&Request { command: &["ls", "/mnt/sub"], ..request })?;
            let write = ["sh", "-c", "echo x > /mnt/sub/open/file"];
            let output = stage.run(&Request { command: &write, ..request })?;
            Ok(if output.code() == 0 { gained("written") } else { nothing(reason(&output)) })
        },
    ),
    staged(
        "submount-device",
        "",
        "opens a device in what is mounted below a volume",
        "nodev holds for what is mounted below a volume, too",
        |stage| {
            let volume = volume_with_submount(stage)?;
            let device = format!("{}/sub/null", volume.arg());
            let make = format!("mknod {device} c 1 3 && chmod 666 {device}");
            stage.as_root(&["sh", "-c", &make])?;
            let request = Request { volume: Some((&volume, "/mnt")), ..Request::default() };
            stage.ensure_works(&Request { command: &["ls", "/mnt/sub/null"], ..request })?;
            let open = ["/bin/try-call", "open", "/mnt/sub/null"];
            let output = stage.run(&Request { command: &open, ..request })?;
            Ok(match output.code() {
                0 => gained("the device is open"),
                code => nothing(format!("{:?}", nix::errno::Errno::from_raw(code))),
            })
        },
    ),
    staged(
        "user-capabilities",
        "",
        "has capabilities though it is started as another user than root",
        "a user other than 0 gets none",
        |stage| {
            let show = ["cat", "/proc/self/status"];
            let request = Request { user: Some("1000"), ..Request::of(&show) };
            stage.ensure_works(&request)?;
            let status = stage.run(&request)?.stdout;
            let set = |line: &&str| {
                ["CapEff:", "CapPrm:", "CapAmb:"].iter().any(|name| line.starts_with(name))
                    && !line.trim_end().ends_with("0000000000000000")
            };
            Ok(match status.lines().find(set) {
                Some(line) => gained(line.replace('\t', " ")),
                None => nothing("none"),
            })
        },
    ),
    staged(
        "set-user-id-file",
        "",
        "leaves a set-user-ID program on the disk, which another user of the host executes",
        "a root filesystem is refused if others reach it and the files made there are the starter's",
        set_user_id_file,
    ),
    staged(
        "terminal-words",
        "",
        "commands the terminal of whoever lists the containers, by a name or a command line",
        "what comes from others is shown escaped",
        terminal_words,
    ),
];

/// A directory of the host with a file system of its own below, in which everybody may write.
fn volume_with_submount(stage: &Stage<'_>) -> Result<HostPath> {
    let volume = stage.step.host().directory()?;
    let sub = volume.join("sub");
    fs::create_dir(&sub.here).context("mkdir")?;
    let script = format!("mount -t tmpfs none {0} && mkdir -m 777 {0}/open", sub.arg());
    stage.as_root(&["sh", "-c", &script])?;
    Ok(volume)
}

/// The program says with an exit code of its own that it was executed.
fn set_user_id_file(stage: &Stage<'_>) -> Staged {
    let tree = stage.open_tree()?;
    let leave = "cp /bin/try-call /tmp/leftover && chmod 4755 /tmp/leftover";
    let output = stage.run_on(&tree, &Request::of(&["sh", "-c", leave]))?;
    let file = stage.rootfs.here.join("tmp/leftover");
    let Ok(metadata) = fs::metadata(&file) else { return Ok(nothing(reason(&output))) };
    if metadata.uid() != stage.step.host().user().0 || metadata.mode() & 0o4000 == 0 {
        return Ok(nothing("it is nobody's outside"));
    }
    let leftover = format!("{tree}/tmp/leftover");
    // Both as another user: whether that can be had, and the program.
    let other = OTHER_USER.join(" ");
    let script = format!("{other} true && {{ {other} {leftover} 2> /dev/null; echo $?; }}");
    let code = stage.as_root(&["sh", "-c", &script]);
    fs::remove_file(file).context("remove")?;
    Ok(match code?.trim() {
        "255" => gained(format!("executed as user {}", metadata.uid())),
        code => nothing(format!("exit code {code} when another user starts it")),
    })
}

/// Sets a terminal's title and clears its screen (ECMA-48).
const ESCAPES: &str = "x\x1b]0;title\x07\x1b[2J";

fn terminal_words(stage: &Stage<'_>) -> Staged {
    stage.needs_option("--name")?;
    let list = paths::on_host(stage.step, "containers")?;
    let mut shown = String::new();
    for name in [ESCAPES, "plain"] {
        let launch = stage.step.launch().rootfs(&stage.rootfs).option("--name", name);
        let _container = launch.spawn(&["sh", "-c", "sleep 30; :", ESCAPES])?;
        let _ = wait_until("the list", Duration::from_secs(1), || {
            shown = stage.step.on_host().attempt(&[&list])?.stdout;
            Ok(shown.contains("sleep"))
        });
        if shown.contains('\x1b') {
            return Ok(gained("escape sequences reach the terminal"));
        }
    }
    Ok(match shown.contains("sleep") {
        true => nothing("they are shown escaped"),
        false => return skip("no container is listed"),
    })
}
