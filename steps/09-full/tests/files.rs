//! What chapter 09 claims of files: layers, tmpfs, volumes, names, and the users of an image. What
//! is on the disk afterwards decides.

use std::fs::{self, DirEntry, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{HostPath, Identity, Output, Step, chapter, holds, wait_until};
use nix::fcntl::{Flock, FlockArg};

fn main() -> ExitCode {
    chapter("09-full", [layers(), volumes(), memory(), etc(), users(), images()].concat())
}

/// Runs a script in a container whose root filesystem is `rootfs`.
fn run(step: &Step, rootfs: &HostPath, options: &[(&str, &str)], script: &str) -> Result<Output> {
    let launch = step.launch().rootfs(rootfs);
    let launch = options.iter().fold(launch, |launch, (name, value)| launch.option(name, value));
    launch.attempt(&["sh", "-c", script])
}

/// An option that takes no value, or only with `=`, is written as one word.
fn run_with(step: &Step, rootfs: &HostPath, word: &str, script: &str) -> Result<Output> {
    if word.starts_with("--overlay") {
        step.needs_overlay()?;
    }
    step.launch().words(&[word]).rootfs(rootfs).attempt(&["sh", "-c", script])
}

/// The layers of all users in which this directory was made.
fn layers_with(mark: &str) -> Vec<PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let ours = |it: &DirEntry| it.file_name().to_string_lossy().starts_with("container-layers-");
    let layers = entries(Path::new("/var/tmp")).filter(ours).flat_map(|it| entries(&it.path()));
    layers.map(|it| it.path().join("upper").join(mark)).filter(|it| it.exists()).collect()
}

fn layers() -> Vec<harness::Claim> {
    vec![
        holds("with --overlay the root filesystem stays as it is", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            let output =
                run_with(step, &rootfs, "--overlay", "echo x > /new && rm /etc/passwd && ls /")?;
            step.expect("exit code", output.code()).equals(0)?;
            step.expect("ls / inside", output.stdout).satisfies("new", |it| it.contains("new"))?;
            step.expect("new on the disk", rootfs.here.join("new").exists()).equals(false)?;
            step.expect("etc/passwd", rootfs.here.join("etc/passwd").exists()).equals(true)
        }),
        holds("with --overlay=DIR the next start finds what was written", |step| {
            let (rootfs, layer) = (step.host().copy_of_rootfs()?, step.host().directory()?);
            let word = format!("--overlay={}", layer.join("kept").arg());
            run_with(step, &rootfs, &word, "echo kept > /new; rm -r /var")?;
            let output = run_with(step, &rootfs, &word, "cat /new; ls -d /var")?;
            step.expect("what is found", output.stdout).equals("kept\n")?;
            step.expect("var on the disk", rootfs.here.join("var").exists()).equals(true)
        }),
        holds("a layer stays while its container runs, whoever starts meanwhile", |step| {
            step.needs_overlay()?;
            let (rootfs, shared) = (step.host().copy_of_rootfs()?, step.host().directory()?);
            let volume = format!("{}:/mnt", shared.arg());
            let launch = || step.launch().words(&["--overlay"]).option("--volume", &volume);
            let script = "until [ -e /mnt/go ]; do sleep 0.1; done; echo x > /new && cat /new";
            let mut first = launch().rootfs(&rootfs).start(&["sh", "-c", script])?;
            launch().rootfs(&rootfs).output(&["touch", "/mnt/go"])?;
            step.expect("what the first writes and reads", first.wait()?.line()).equals("x")
        }),
        holds("a layer is removed when its launcher has ended, and when it was killed", |step| {
            step.needs_overlay()?;
            let (rootfs, mark) = (step.host().copy_of_rootfs()?, step.host().directory()?);
            let mark = mark.here.file_name().context("name")?.to_string_lossy().into_owned();
            let script = format!("mkdir -p /{mark}/a/b && echo made && exec sleep 60");
            for killed in [false, true] {
                let launch = step.launch().words(&["--overlay"]).rootfs(&rootfs);
                let mut container = launch.start(&["sh", "-c", &script])?;
                container.read_line()?;
                step.expect("layers", layers_with(&mark).len()).equals(1)?;
                if killed {
                    container.kill_launcher()?;
                } else {
                    container.signal_payload(libc::SIGKILL)?;
                    container.wait()?;
                }
                let removed = || Ok(layers_with(&mark).is_empty());
                wait_until("the layer is removed", Duration::from_secs(2), removed)?;
            }
            Ok(())
        }),
        holds("the way up from / leads nowhere, over a layer too", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            let output =
                run_with(step, &rootfs, "--overlay", "stat -c %d:%i / /.. | uniq | wc -l")?;
            step.expect("different roots", output.line()).equals("1")
        }),
        holds("where others can reach ROOTFS, no set-user-ID program is left there", |step| {
            step.needs_overlay()?;
            let rootfs = step.host().copy_of_rootfs()?;
            let around = rootfs.here.parent().context("parent")?;
            let reachable = around
                .ancestors()
                .all(|it| fs::metadata(it).is_ok_and(|it| it.mode() & 0o001 != 0));
            let script = "cp /bin/sh /tmp/x && chmod 4755 /tmp/x";
            step.expect("exit code", run(step, &rootfs, &[], script)?.code()).equals(0)?;
            let left = rootfs.here.join("tmp/x").exists();
            step.expect("left where others can reach it", left && reachable).equals(false)
        }),
        holds("the tree is held while its container runs, so that no build removes it", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            let free = || -> Result<bool> {
                let tree = File::open(&rootfs.here).context("open")?;
                Ok(Flock::lock(tree, FlockArg::LockExclusiveNonblock).is_ok())
            };
            let container = step.launch().rootfs(&rootfs).start(&["sleep", "30"])?;
            step.expect("free", free()?).equals(false)?;
            drop(container);
            wait_until("the tree is free", Duration::from_secs(2), free)
        }),
        holds("the host's own / is refused", |step| {
            let root = HostPath { here: "/".into(), there: "/".into() };
            step.expect("exit code", run(step, &root, &[], "true")?.code()).equals(125)
        }),
    ]
}

fn volumes() -> Vec<harness::Claim> {
    vec![
        holds("what a volume's root makes belongs to the caller on the disk", |step| {
            step.needs_idmapped_mounts()?;
            let directory = step.host().directory()?;
            let volume = format!("{}:/mnt", directory.arg());
            let rootfs = step.host().copy_of_rootfs()?;
            run(step, &rootfs, &[("--volume", &volume)], "touch /mnt/made")?;
            let owner = fs::metadata(directory.join("made").here).context("made")?.uid();
            step.expect("owner", owner).equals(step.host().user().0)
        }),
        holds("a missing DST is made in the layer, not on the disk", |step| {
            step.needs_overlay()?;
            let (rootfs, directory) = (step.host().copy_of_rootfs()?, step.host().directory()?);
            directory.join("file").write("here")?;
            let volume = format!("{}:/a/b/c", directory.arg());
            let launch = step.launch().words(&["--overlay"]).option("--volume", &volume);
            let output = launch.rootfs(&rootfs).output(&["cat", "/a/b/c/file"])?;
            step.expect("the file inside", output.stdout).equals("here")?;
            step.expect("a on the disk", rootfs.here.join("a").exists()).equals(false)
        }),
        holds("no volume lies on files of the kernel, through a link neither", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            symlink("/proc/sys", rootfs.here.join("link")).context("symlink")?;
            let directory = step.host().directory()?;
            for target in ["/proc", "/proc/sys", "/sys", "/sys/fs/cgroup", "/link", "/link/kernel"]
            {
                let volume = format!("{}:{target}", directory.arg());
                let code = run(step, &rootfs, &[("--volume", &volume)], "true")?.code();
                step.expect(target, code).equals(125)?;
            }
            Ok(())
        }),
    ]
}

fn memory() -> Vec<harness::Claim> {
    vec![
        holds("a tmpfs is in memory and has the size that was asked for", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            let script = "echo x > /mnt/x; stat -f -c '%T %b %S' /mnt; touch /mnt/y";
            let output = run(step, &rootfs, &[("--tmpfs", "/mnt:1M")], script)?;
            step.expect("filesystem", output.line()).equals("tmpfs 256 4096")?;
            step.expect("x on the disk", rootfs.here.join("mnt/x").exists()).equals(false)
        }),
        holds("with --read-only /tmp and /run can be written to", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            let script = "touch /tmp/a /run/b && ! touch /etc/c";
            step.expect("exit code", run_with(step, &rootfs, "--read-only", script)?.code())
                .equals(0)?;
            step.expect("a on the disk", rootfs.here.join("tmp/a").exists()).equals(false)
        }),
        holds("/dev/shm has 64 MiB", |step| {
            let output = step.output(&["stat", "-f", "-c", "%b %S", "/dev/shm"])?;
            step.expect("blocks and their size", output.line()).equals("16384 4096")
        }),
    ]
}

fn etc() -> Vec<harness::Claim> {
    vec![holds("/etc/hosts knows the container, and the disk does not", |step| {
        let rootfs = step.host().copy_of_rootfs()?;
        let before = fs::read_to_string(rootfs.here.join("etc/hosts")).context("etc/hosts")?;
        let options = [("--hostname", "web"), ("--ip", "10.77.0.9/24")];
        let output = run(step, &rootfs, &options, "cat /etc/hosts")?;
        step.expect("hosts", output.stdout)
            .satisfies("10.77.0.9 web", |it| it.contains("10.77.0.9\tweb\n"))?;
        let after = fs::read_to_string(rootfs.here.join("etc/hosts")).context("etc/hosts")?;
        step.expect("hosts on the disk", after).equals(before)
    })]
}

fn users() -> Vec<harness::Claim> {
    vec![
        holds("a user of the image has its ids, groups and home", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            let table = rootfs.join("etc/passwd");
            fs::remove_file(&table.here).context("rm")?;
            table.write("root:x:0:0::/root:/bin/sh\nweb:x:7:8::/srv:/bin/sh\n")?;
            let groups = rootfs.join("etc/group");
            let _ = fs::remove_file(&groups.here);
            groups.write("root:x:0:\nweb:x:8:\nlog:x:9:web\n")?;
            let script = "echo $(id -u) $(id -g) $(id -G) $HOME";
            let output = run(step, &rootfs, &[("--user", "web")], script)?;
            step.expect("inside", output.line()).equals("7 8 8 9 /srv")?;
            let missing = run(step, &rootfs, &[("--user", "nobody-of-that-name")], "true")?;
            step.expect("exit code for a name that is not there", missing.code()).equals(125)
        })
        .only(Identity::Root),
        holds("tables of users that are no files are not read", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            fs::remove_file(rootfs.here.join("etc/passwd")).context("rm")?;
            symlink("/dev/zero", rootfs.here.join("etc/passwd")).context("symlink")?;
            let output = run(step, &rootfs, &[("--user", "web")], "true")?;
            step.expect("exit code", output.code()).equals(125)
        }),
        holds("a user other than root holds no capability, and wins none", |step| {
            let user = if step.identity == Identity::Root { "1000" } else { "0" };
            let container = step.launch().option("--user", user).start(&["sleep", "30"])?;
            let held = container.payload.status("CapEff")?;
            let none = held.trim() == "0000000000000000";
            step.expect("CapEff is empty", none).equals(user != "0")
        })
        .only(Identity::Root),
        holds("no_new_privs is on unless --new-privileges is given", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            let script = "grep NoNewPrivs /proc/self/status; grep -c Seccomp:.2 /proc/self/status";
            let output = run_with(step, &rootfs, "--new-privileges", script)?;
            step.expect("status", output.stdout).equals("NoNewPrivs:\t0\n1\n")?;
            let output = run(step, &rootfs, &[], script)?;
            step.expect("status", output.stdout).equals("NoNewPrivs:\t1\n1\n")
        }),
    ]
}

/// An image of two layers, as `rootfs image` describes one.
fn image(step: &Step) -> Result<HostPath> {
    step.needs_overlay()?;
    let lower = step.host().copy_of_rootfs()?;
    let image = step.host().directory()?;
    fs::create_dir_all(image.here.join("store/upper/srv")).context("mkdir")?;
    fs::rename(&lower.here, image.here.join("store/lower")).context("rename")?;
    fs::write(image.here.join("store/upper/srv/word"), "upper").context("write")?;
    fs::write(image.here.join("layers"), "upper\nlower\n").context("write")?;
    let config = r#"{"config": {"Env": ["WORD=image"], "Entrypoint": ["sh", "-c"],
        "Cmd": ["echo $WORD $(pwd) $(cat word)"], "WorkingDir": "/srv", "User": null}}"#;
    fs::write(image.here.join("config.json"), config).context("write")?;
    for path in ["", "store", "store/upper", "store/upper/srv", "store/upper/srv/word"] {
        step.host().give_to_user(&image.here.join(path))?;
    }
    Ok(image)
}

fn images() -> Vec<harness::Claim> {
    vec![
        holds("an image's configuration is the default", |step| {
            let image = image(step)?;
            let output = step.launch().rootfs(&image).output(&[])?;
            step.expect("inside", output.line()).equals("image /srv upper")
        }),
        holds("the command line overrides it", |step| {
            let image = image(step)?;
            let launch = step.launch().rootfs(&image).option("--env", "WORD=mine");
            let output = launch.option("--workdir", "/").output(&["echo $WORD $(pwd)"])?;
            step.expect("inside", output.line()).equals("mine /")
        }),
        holds("nothing is written to the layers of an image", |step| {
            let image = image(step)?;
            let output = step.launch().rootfs(&image).output(&["rm word; touch new; ls"])?;
            step.expect("inside", output.line()).equals("new")?;
            let layer = image.here.join("store/upper/srv");
            step.expect("word", layer.join("word").exists()).equals(true)?;
            step.expect("new", layer.join("new").exists()).equals(false)
        }),
        holds("a layer cannot lie outside the store", |step| {
            let image = image(step)?;
            fs::write(image.here.join("layers"), "upper\n../..\n").context("write")?;
            let output = step.launch().rootfs(&image).attempt(&["true"])?;
            step.expect("exit code", output.code()).equals(125)
        }),
    ]
}
