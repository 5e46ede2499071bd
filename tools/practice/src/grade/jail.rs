//! A container of step 09 for a stranger's code.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How much a container may print.
const OUTPUT: u64 = 1 << 24;

/// How much memory one of its processes may have. The limit of all of them together is step 09's,
/// where it can be set.
const MEMORY: u64 = 3 << 30;

/// How long a file may become: what it prints to standard error is one of the machine.
const FILE: u64 = 1 << 29;

/// What may be done in it.
#[derive(Clone, Copy, PartialEq)]
pub enum Rights {
    /// Nothing that a compiler does not need.
    Compile,
    /// Root inside may make containers in it, as the claims do, and starts as the judge.
    Judge,
}

/// What a jail is made of.
pub struct Jail {
    /// The course's step 09.
    pub full: PathBuf,
    /// The root filesystem.
    pub root: PathBuf,
    /// Directories of the machine inside, as `--volume` has them.
    pub volumes: Vec<String>,
    /// Limits that can be set here.
    pub limits: Vec<String>,
    /// How many processes the caller may have in all, where step 09 cannot limit the container's:
    /// a fork bomb would take those of every user.
    pub processes: Option<u32>,
}

/// Takes the container's network away, which would lead to the machine, and what step 09 put in
/// the way of containers in containers: masks on /proc and /sys, and no user namespaces.
const BEFORE_JUDGING: &str = r"
    ip link del eth0
    while read -r a b c d point rest; do
        case $point in /proc/*|/sys/*) echo $point ;; esac
    done < /proc/self/mountinfo | sort -r > /tmp/masks
    while read -r point; do umount $point; done < /tmp/masks
    echo 4096 > /proc/sys/user/max_user_namespaces
";

const BEFORE_COMPILING: &str = "ip link del eth0 2> /dev/null\n";

impl Jail {
    /// Runs a shell script, in which $1… are `words`, on top of `layer`, which takes what it
    /// writes. Returns what it printed to standard output, and whether it ended in time and well.
    pub fn run(
        &self,
        rights: Rights,
        layer: Option<&Path>,
        volume: Option<String>,
        script: &str,
        time: Duration,
    ) -> Result<(String, bool)> {
        let before = match rights {
            Rights::Compile => BEFORE_COMPILING,
            Rights::Judge => BEFORE_JUDGING,
        };
        let mut command = Command::new("prlimit"); // setrlimit(2)
        command.args([format!("--data={MEMORY}:{MEMORY}"), format!("--fsize={FILE}:{FILE}")]);
        command.args(self.processes.map(|most| format!("--nproc={most}:{most}")));
        // Should the machine's memory end all the same, this is what the kernel kills.
        command.args(["choom", "-n", "1000", "--"]).arg(&self.full);
        command.args(&self.limits).args(["--tmpfs", "/tmp:1G"]);
        for volume in self.volumes.iter().chain(&volume) {
            command.args(["--volume", volume]);
        }
        if let Some(layer) = layer {
            command.arg(format!("--overlay={}", layer.display()));
        }
        match rights {
            Rights::Compile => command.args(["--cap-drop=ALL", "--cap-add=DAC_OVERRIDE"]),
            Rights::Judge => command.args(["--cap-add=ALL", "--seccomp=off"]),
        };
        command.args(["--env=PATH=/toolchain/bin:/usr/sbin:/usr/bin", "--env=CARGO_HOME=/cargo"]);
        command.args(["--env=HOME=/tmp", "--env=RUST_BACKTRACE=0", "--env=CARGO_INCREMENTAL=0"]);
        command.args(["--env=CARGO_PROFILE_DEV_DEBUG=none", "--env=CARGO_NET_OFFLINE=true"]);
        command.arg(&self.root).args(["sh", "-c", &format!("{before}\n{script}")]);
        run_for(command, time)
    }
}

/// A container that takes longer is ended with its launcher.
fn run_for(mut command: Command, time: Duration) -> Result<(String, bool)> {
    let log = tempfile::tempfile().context("tempfile")?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?);
    let mut child = command.spawn().context("start step 09: make build")?;
    let output = child.stdout.take().context("no output")?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.take(OUTPUT).read_to_end(&mut bytes);
        bytes
    });
    let deadline = Instant::now() + time;
    let status = loop {
        match child.try_wait().context("waitpid")? {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let bytes = reader.join().unwrap_or_default();
    if std::env::var_os("PRACTICE_DEBUG").is_some() {
        use std::io::{Seek, copy, stderr};
        let mut log = log;
        let _ = log.rewind().and_then(|()| copy(&mut log, &mut stderr()));
    }
    let well = status.is_some_and(|status| status.success());
    Ok((String::from_utf8_lossy(&bytes).into_owned(), well))
}
