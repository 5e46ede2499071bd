//! Other container runtimes, to be attacked in the same way.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::host::{HostPath, Identity};
use crate::launch::Step;
use crate::skip;

/// What a runtime is asked to start.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The program and its arguments.
    pub command: &'a [&'a str],
    /// The directory inside in which it starts.
    pub workdir: Option<&'a str>,
    /// The user id that it gets.
    pub user: Option<&'a str>,
    /// A directory of the host, and where it is mounted inside.
    pub volume: Option<(&'a HostPath, &'a str)>,
    /// Whether that is for reading only.
    pub read_only: bool,
}

impl<'a> Request<'a> {
    /// Runs a command, and asks for nothing else.
    pub fn of(command: &'a [&'a str]) -> Self {
        Request { command, ..Request::default() }
    }
}

/// Where a runtime works: a root filesystem, and a directory for what the runtime wants to write.
pub(crate) struct Site<'a> {
    pub step: &'a Step,
    pub rootfs: &'a HostPath,
    pub bundle: &'a HostPath,
}

/// Makes a command line.
type CommandLine = fn(&Site<'_>, &Request<'_>) -> Result<Vec<String>>;

/// Another runtime.
pub struct Peer {
    /// Its program.
    pub name: &'static str,
    pub(crate) argv: CommandLine,
    /// What runs another command in its container, where that can be done from outside.
    pub(crate) enter: Option<CommandLine>,
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
    Peer { name: "unshare", argv: unshare, enter: None, takes_words: true },
    Peer { name: "bwrap", argv: bwrap, enter: None, takes_words: true },
    Peer { name: "crun", argv: crun, enter: None, takes_words: false },
    Peer { name: "runc", argv: runc, enter: Some(runc_exec), takes_words: false },
    Peer { name: "podman", argv: podman, enter: None, takes_words: false },
];

impl Site<'_> {
    fn line(&self, text: &str, words: &[&str]) -> Vec<String> {
        let place = |word: &str| {
            word.replace("ROOTFS", self.rootfs.arg()).replace("BUNDLE", self.bundle.arg())
        };
        let words = words.iter().map(|&word| word.to_owned());
        text.split_whitespace().map(place).chain(words).collect()
    }

    /// The name of the container.
    pub(super) fn id(&self) -> String {
        format!("attack-{}", self.step.host().process().pid)
    }
}

fn unshare(site: &Site<'_>, request: &Request<'_>) -> Result<Vec<String>> {
    if request.volume.is_some() || request.user.is_some() {
        return skip("unshare has no such option");
    }
    let mut text = "unshare -U -r -m -u -i -n -p -f -C -T --mount-proc --root=ROOTFS".to_owned();
    text.extend(request.workdir.map(|directory| format!(" --wd={directory}")));
    Ok(site.line(&text, request.command))
}

fn bwrap(site: &Site<'_>, request: &Request<'_>) -> Result<Vec<String>> {
    let text = "bwrap --unshare-all --bind ROOTFS / --proc /proc --dev /dev --tmpfs /tmp";
    let mut argv = site.line(text, &[]);
    if let Some((source, target)) = request.volume {
        let how = if request.read_only { "--ro-bind" } else { "--bind" };
        argv.extend([how, source.arg(), target].map(str::to_owned));
    }
    let options = [("--chdir", request.workdir), ("--uid", request.user)];
    let given = options.iter().filter_map(|(name, value)| Some([*name, (*value)?]));
    argv.extend(given.flatten().map(str::to_owned));
    argv.extend(request.command.iter().map(|&word| word.to_owned()));
    Ok(argv)
}

fn runc(site: &Site<'_>, request: &Request<'_>) -> Result<Vec<String>> {
    specify("runc", site, request)?;
    Ok(site.line(&format!("runc --root BUNDLE/state run -b BUNDLE {}", site.id()), &[]))
}

fn runc_exec(site: &Site<'_>, request: &Request<'_>) -> Result<Vec<String>> {
    let mut text = "runc --root BUNDLE/state exec".to_owned();
    text.extend(request.workdir.map(|directory| format!(" --cwd {directory}")));
    Ok(site.line(&format!("{text} {}", site.id()), request.command))
}

/// It refuses a machine that has cgroup v1 and v2 both, so that here v2 is taken away, for it only.
fn crun(site: &Site<'_>, request: &Request<'_>) -> Result<Vec<String>> {
    specify("crun", site, request)?;
    let run = format!("crun --root {0}/state run -b {0} {1}", site.bundle.arg(), site.id());
    if site.step.identity == Identity::User {
        return Ok(run.split(' ').map(str::to_owned).collect());
    }
    let script = format!("umount /sys/fs/cgroup/unified 2> /dev/null; {OWN_RUN}; exec {run}");
    Ok(site.line("unshare -m sh -c", &[&script]))
}

/// The default of `runtime spec`, with what is asked for.
fn specify(runtime: &str, site: &Site<'_>, request: &Request<'_>) -> Result<()> {
    let (step, bundle) = (site.step, site.bundle);
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
    config["root"] = json!({ "path": site.rootfs.arg(), "readonly": false });
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(request.command);
    config["process"]["cwd"] = json!(request.workdir.unwrap_or("/"));
    if let Some(user) = request.user {
        let uid: u32 = user.parse().context("a user id")?;
        config["process"]["user"] = json!({ "uid": uid, "gid": uid });
    }
    if let Some((source, target)) = request.volume {
        let options = if request.read_only { json!(["rbind", "ro"]) } else { json!(["rbind"]) };
        let mount = json!({
            "destination": target, "type": "bind", "source": source.arg(), "options": options
        });
        config["mounts"].as_array_mut().context("config.json has no mounts")?.push(mount);
    }
    if step.identity == Identity::User {
        let (uid, gid) = step.host().user();
        config["linux"]["uidMappings"] = json!([{ "containerID": 0, "hostID": uid, "size": 1 }]);
        config["linux"]["gidMappings"] = json!([{ "containerID": 0, "hostID": gid, "size": 1 }]);
    }
    file.write(serde_json::to_string(&config)?)?;
    step.host().give_to_user(&file.here)
}

/// With a network namespace around it, since its default would change the host's.
fn podman(site: &Site<'_>, request: &Request<'_>) -> Result<Vec<String>> {
    let run = "podman --root BUNDLE/root --runroot BUNDLE/run --cgroup-manager=cgroupfs --runtime runc run --rm \
               --network=none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096";
    let script = format!("{OWN_RUN}; mount -t tmpfs none /dev/shm; exec \"$@\"");
    let mut argv = site.line("unshare -m -n sh -c", &[&script, "sh"]);
    argv.extend(site.line(run, &[]));
    let volume = request.volume.map(|(source, target)| {
        let how = if request.read_only { ":ro" } else { "" };
        format!("{}:{target}{how}", source.arg())
    });
    let options =
        [("--workdir", request.workdir), ("--user", request.user), ("--volume", volume.as_deref())];
    let given = options.iter().filter_map(|(name, value)| Some([*name, (*value)?]));
    argv.extend(given.flatten().map(str::to_owned));
    argv.extend(site.line("--rootfs ROOTFS", request.command));
    Ok(argv)
}

/// In a mount namespace of their own they leave nothing in the machine's /run.
const OWN_RUN: &str = "mount -t tmpfs none /run";
