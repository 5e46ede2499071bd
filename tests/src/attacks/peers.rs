//! Other container runtimes, to be attacked in the same way.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::host::{HostPath, Identity};
use crate::launch::Step;

/// A command line that runs words in a rootfs; the last directory is for what the runtime wants to
/// write.
type CommandLine = fn(&Step, &HostPath, &HostPath, &[&str]) -> Result<Vec<String>>;

/// Another runtime.
pub struct Peer {
    /// Its program.
    pub name: &'static str,
    pub(crate) argv: CommandLine,
    /// Whether the words are on the command line, not in a file.
    pub(crate) takes_words: bool,
}

impl Peer {
    /// Whether it is installed.
    pub fn is_there(&self) -> bool {
        let asked = Command::new(self.name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    }
}

/// Those that need no daemon.
pub const PEERS: [Peer; 5] = [
    Peer { name: "unshare", argv: unshare, takes_words: true },
    Peer { name: "bwrap", argv: bwrap, takes_words: true },
    Peer { name: "crun", argv: crun, takes_words: false },
    Peer { name: "runc", argv: runc, takes_words: false },
    Peer { name: "podman", argv: podman, takes_words: false },
];

fn line(text: &str, rootfs: &HostPath, bundle: &HostPath, words: &[&str]) -> Vec<String> {
    let place = |word: &str| word.replace("ROOTFS", rootfs.arg()).replace("BUNDLE", bundle.arg());
    text.split_whitespace().map(place).chain(words.iter().map(|&word| word.to_owned())).collect()
}

fn unshare(_: &Step, rootfs: &HostPath, bundle: &HostPath, words: &[&str]) -> Result<Vec<String>> {
    Ok(line(
        "unshare -U -r -m -u -i -n -p -f -C -T --mount-proc --root=ROOTFS",
        rootfs,
        bundle,
        words,
    ))
}

fn bwrap(_: &Step, rootfs: &HostPath, bundle: &HostPath, words: &[&str]) -> Result<Vec<String>> {
    let text = "bwrap --unshare-all --bind ROOTFS / --proc /proc --dev /dev --tmpfs /tmp";
    Ok(line(text, rootfs, bundle, words))
}

fn runc(step: &Step, rootfs: &HostPath, bundle: &HostPath, words: &[&str]) -> Result<Vec<String>> {
    specify("runc", step, rootfs, bundle, words)?;
    let id = format!("attack-{}", step.host().process().pid);
    Ok(line(&format!("runc --root BUNDLE/state run -b BUNDLE {id}"), rootfs, bundle, &[]))
}

/// It refuses a machine that has cgroup v1 and v2 both, so that here v2 is taken away, for it
/// alone.
fn crun(step: &Step, rootfs: &HostPath, bundle: &HostPath, words: &[&str]) -> Result<Vec<String>> {
    specify("crun", step, rootfs, bundle, words)?;
    let id = format!("attack-{}", step.host().process().pid);
    let run = format!("crun --root {0}/state run -b {0} {id}", bundle.arg());
    if step.identity == Identity::User {
        return Ok(run.split(' ').map(str::to_owned).collect());
    }
    let script = format!("umount /sys/fs/cgroup/unified 2> /dev/null; {OWN_RUN}; exec {run}");
    Ok(line("unshare -m sh -c", rootfs, bundle, &[&script]))
}

/// The default of `runtime spec`, with these words to run.
fn specify(
    runtime: &str,
    step: &Step,
    rootfs: &HostPath,
    bundle: &HostPath,
    words: &[&str],
) -> Result<()> {
    let _ = std::fs::remove_file(bundle.here.join("config.json"));
    let mut command = Command::new(runtime);
    command.arg("spec").current_dir(&bundle.here);
    if step.identity == Identity::User {
        command.arg("--rootless");
    }
    command.output().with_context(|| format!("{runtime} spec"))?;
    let file = bundle.join("config.json");
    let text = std::fs::read_to_string(&file.here).context("config.json")?;
    let mut config: Value = serde_json::from_str(&text).context("config.json")?;
    config["root"] = json!({ "path": rootfs.arg(), "readonly": false });
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(words);
    if step.identity == Identity::User {
        let (uid, gid) = step.host().user();
        config["linux"]["uidMappings"] = json!([{ "containerID": 0, "hostID": uid, "size": 1 }]);
        config["linux"]["gidMappings"] = json!([{ "containerID": 0, "hostID": gid, "size": 1 }]);
    }
    file.write(serde_json::to_string(&config)?)?;
    step.host().give_to_user(&file.here)
}

/// With a network namespace around it, since its default would change the host's.
fn podman(_: &Step, rootfs: &HostPath, bundle: &HostPath, words: &[&str]) -> Result<Vec<String>> {
    let run = "podman --root BUNDLE/root --runroot BUNDLE/run --cgroup-manager=cgroupfs --runtime runc run --rm \
               --network=none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --rootfs ROOTFS";
    let script = format!("{OWN_RUN}; mount -t tmpfs none /dev/shm; exec \"$@\"");
    let mut argv = line("unshare -m -n sh -c", rootfs, bundle, &[&script, "sh"]);
    argv.extend(line(run, rootfs, bundle, words));
    Ok(argv)
}

/// In a mount namespace of their own they leave nothing in the machine's /run.
const OWN_RUN: &str = "mount -t tmpfs none /run";
