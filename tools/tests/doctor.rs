//! Whether the doctor is right: its verdicts are compared with what the steps themselves do, on
//! machines that allow less and less.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Identity, Launch, Output, Process, STEPS, Step, suite, test};
use serde_json::Value;

const DOCTOR: &str = env!("CARGO_BIN_EXE_doctor");

/// Makes a command run on a machine that is worse than this one.
struct Machine {
    says: &'static str,
    /// What stands before the command.
    words: &'static [&'static str],
}

const fn machine(says: &'static str, words: &'static [&'static str]) -> Machine {
    Machine { says, words }
}

/// As root of a user namespace, whose settings and mounts are its own.
const APART: [&str; 5] = ["unshare", "--user", "--map-root-user", "--mount", "sh"];

/// `inject-errno` is found beside the doctor.
const MACHINES: &[Machine] = &[
    machine("as this one", &[]),
    machine("without clone3", &["inject-errno", "clone3=ENOSYS", "--"]),
    machine("without openat2", &["inject-errno", "openat2=ENOSYS", "--"]),
    machine("where the root cannot be left", &["inject-errno", "pivot_root=EINVAL", "--"]),
    machine("without idmapped mounts", &["inject-errno", "mount_setattr=ENOSYS", "--"]),
    machine("without seccomp filters", &["inject-errno", "seccomp=EINVAL", "--"]),
    machine("where unshare is forbidden", &["inject-errno", "unshare=EPERM", "--"]),
    machine("where mounting is forbidden", &["inject-errno", "mount=EPERM", "--"]),
    machine("without netlink", &["inject-errno", "socket:0:16=EACCES", "--"]),
    machine("without user namespaces", &["APART", "echo 0 > /proc/sys/user/max_user_namespaces"]),
    machine("without network namespaces", &["APART", "echo 0 > /proc/sys/user/max_net_namespaces"]),
    machine("with a masked /proc", &["APART", "mount -t tmpfs none /proc/sys/kernel/random"]),
    machine(
        "without cgroup namespaces",
        &["APART", "echo 0 > /proc/sys/user/max_cgroup_namespaces"],
    ),
];

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for identity in [Identity::Root, Identity::User] {
        for machine in MACHINES {
            let says = format!("on a machine {} the steps do as the doctor says", machine.says);
            tests.push(test(says, identity, move || agrees(identity, machine)));
        }
        tests.push(test("limits are set where the doctor says so", identity, move || {
            limits(identity)
        }));
        tests.push(test("the doctor changes nothing", identity, move || changes_nothing(identity)));
        tests.push(test("its page is one to read, and there at once", identity, move || {
            page(identity)
        }));
        tests.push(test("without programs it names them all", identity, move || {
            without_programs(identity)
        }));
        tests.push(test("it names this Linux", identity, move || kernels(identity)));
        tests.push(test("a masked /proc is reported as a limit", identity, move || {
            masked(identity)
        }));
        tests.push(test("limits on namespaces are reported one by one", identity, move || {
            no_namespaces(identity)
        }));
        tests.push(test("a cure that it prints does cure", identity, move || cured(identity)));
        tests.push(test("a layer and a way out are there where it says so", identity, move || {
            complete(identity)
        }));
    }
    tests.push(test("steps that are not built are named", Identity::User, not_built));
    tests.push(test("a step that never ends does not hold it up", Identity::User, endless));
    tests.push(test("without a way to be root it says so", Identity::User, without_sudo));
    suite(tests, true)
}

/// A program of this workspace.
fn built(name: &str) -> String {
    Path::new(DOCTOR).with_file_name(name).display().to_string()
}

/// The command, as it runs on that machine.
fn on(machine: &Machine, command: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = match machine.words {
        ["inject-errno", rest @ ..] => [built("inject-errno")]
            .into_iter()
            .chain(rest.iter().map(|&word| word.into()))
            .collect(),
        ["OLD", rest @ ..] => ["setarch".into(), "--uname-2.6".into(), built("inject-errno")]
            .into_iter()
            .chain(rest.iter().map(|&word| word.into()))
            .collect(),
        ["APART", prepare] => {
            let script = format!("{prepare} && exec \"$@\"");
            APART.map(str::to_owned).into_iter().chain(["-c".into(), script, "sh".into()]).collect()
        }
        _ => Vec::new(),
    };
    words.extend(command.iter().map(|&word| word.to_owned()));
    words
}

fn attempt(launch: &Launch<'_>, machine: &Machine, command: &[&str]) -> Result<Output> {
    let words = on(machine, command);
    launch.attempt(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What the doctor prints for a program.
fn ask(launch: &Launch<'_>, machine: &Machine) -> Result<Value> {
    let output = attempt(launch, machine, &[DOCTOR, "--json"])?;
    let report: Value =
        serde_json::from_str(&output.stdout).with_context(|| output.stderr.clone())?;
    ensure!(output.stderr.is_empty(), "noise: {}", output.stderr);
    let missing = verdicts(&report).any(|(_, finding)| finding["verdict"] == "missing");
    ensure!(
        report["followable"] == !missing,
        "followable is {}, and something missing: {missing}",
        report["followable"]
    );
    ensure!(
        output.code() == i32::from(missing),
        "exit code {}, and something missing: {missing}",
        output.code()
    );
    for (part, finding) in verdicts(&report) {
        let bad = finding["verdict"] != "OK";
        ensure!(
            finding["cure"].is_string() == bad,
            "{part}: a cure for what is bad, and only for that: {finding}"
        );
        ensure!(!bad || finding["because"] != "", "{part}: no reason: {finding}");
    }
    Ok(report)
}

/// All findings, with the parts that they belong to.
fn verdicts(report: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let parts = report["parts"].as_array().into_iter().flatten();
    parts.flat_map(|part| {
        let findings = part["findings"].as_array().into_iter().flatten();
        findings.map(|finding| (part["name"].as_str().unwrap_or_default(), finding))
    })
}

fn finding<'a>(report: &'a Value, part: &str, subject: &str) -> Result<&'a Value> {
    let mut all = verdicts(report);
    let found = all.find(|(name, finding)| name.starts_with(part) && finding["subject"] == subject);
    found
        .map(|(_, finding)| finding)
        .with_context(|| format!("nothing about {subject} in {part}: {report}"))
}

/// The doctor says that a chapter's container can be made where the chapter's step makes it, and
/// nowhere else.
fn agrees(identity: Identity, machine: &Machine) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let launch = step.on_host();
    let report = ask(&launch, machine)?;
    // As the doctor's, it is out of reach for other users: step 09 treats others differently.
    let private = step.host().directory()?;
    let rootfs = private.join("tree");
    fs::rename(step.host().copy_of_rootfs()?.here, &rootfs.here).context("move the copy")?;
    fs::set_permissions(&private.here, Permissions::from_mode(0o700))?;
    let rootfs = rootfs.arg();
    for name in STEPS {
        let Ok(finding) = finding(&report, &name[..2], "a container") else {
            ensure!(identity == Identity::User && name < "05", "no verdict about {name}");
            continue;
        };
        let output = attempt(&launch, machine, &[&built(name), rootfs, "true"])?;
        let says = finding["verdict"] != "missing";
        ensure!(
            says == (output.code() == 0),
            "{name} ends with {}: {}the doctor says {finding}",
            output.code(),
            output.stderr
        );
        // And because of the same; the path of the root filesystem is another.
        let because = finding["because"].as_str().unwrap_or_default();
        let cause = because.rsplit(": ").next().unwrap_or_default();
        let same = output.stderr.lines().any(|line| line.ends_with(cause));
        ensure!(finding["verdict"] == "OK" || same, "{name}: {}{because}", output.stderr);
    }
    Ok(())
}

const HERE: &Machine = &MACHINES[0];

fn limits(identity: Identity) -> Result<()> {
    let step = Step::new(8, identity)?;
    let report = ask(&step.on_host(), HERE)?;
    let (_, rest): (Vec<_>, Vec<_>) = verdicts(&report)
        .filter(|(part, _)| *part == "08 cgroup")
        .partition(|(_, it)| it["subject"] == "layout");
    for (controller, option, value) in
        [("cpu", "--cpus", "0.5"), ("memory", "--memory", "64M"), ("pids", "--pids", "20")]
    {
        let is_it = |finding: &&Value| {
            finding["subject"].as_str().is_some_and(|it| it.split(", ").any(|it| it == controller))
        };
        let finding = rest.iter().map(|(_, finding)| *finding).find(is_it).context("no verdict")?;
        let output = step.launch().option(option, value).attempt(&["true"])?;
        let says = finding["verdict"] == "OK";
        ensure!(
            says == (output.code() == 0),
            "{option}: {} {}, the doctor says {finding}",
            output.code(),
            output.stderr
        );
    }
    Ok(())
}

/// Everything that a trial could have touched, a line each.
fn state(step: &Step) -> Result<BTreeSet<String>> {
    let own = Process { pid: std::process::id() as i32 };
    let mut state = BTreeSet::new();
    for mount in own.mounts()?.iter().filter(|mount| mount.fstype.starts_with("cgroup")) {
        collect(Path::new(&mount.point), &mut |dir| {
            let passed_on =
                fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
            state.insert(format!("group {} {passed_on}", dir.display()));
        });
    }
    let debug = Path::new(DOCTOR).parent().context("target/debug")?;
    for entry in [debug.join(".."), debug.join("../rootfs"), debug.to_owned()]
        .iter()
        .flat_map(fs::read_dir)
        .flatten()
    {
        let entry = entry.context("read target")?;
        state.insert(format!(
            "file {} {}",
            entry.path().display(),
            entry.metadata().context("stat")?.ctime()
        ));
    }
    for setting in ["user/max_user_namespaces", "kernel/hostname", "net/ipv4/ip_forward"] {
        state.insert(format!("{setting} {:?}", fs::read_to_string(format!("/proc/sys/{setting}"))));
    }
    let mounts = own.file("mountinfo")? + &step.host().process().file("mountinfo")?;
    state.extend(mounts.lines().map(|line| format!("mount {line}")));
    state.extend(links(own)?);
    Ok(state)
}

fn collect(dir: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, directory) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir()));
        // Other programs' groups come and go, in places that no step would choose.
        if directory && entry.file_name().to_string_lossy().starts_with("container-") {
            each(&path);
        } else if directory {
            collect(&path, each);
        }
    }
    if dir.join("cgroup.subtree_control").exists() {
        each(dir);
    }
}

/// Neither afterwards nor in between: a cable goes with its container.
fn changes_nothing(identity: Identity) -> Result<()> {
    let step = Step::on_machines_network(STEPS.len(), identity)?;
    let own = Process { pid: std::process::id() as i32 };
    for machine in [HERE, named("where unshare is forbidden")?] {
        let (before, links) = (state(&step)?, links(own)?);
        let words = on(machine, &[DOCTOR]);
        let mut doctor =
            step.on_host().spawn(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
        while doctor.process().runs() {
            let now = self::links(own)?;
            ensure!(now == links, "while it runs: {links:?} became {now:?}");
        }
        doctor.wait()?;
        let after = state(&step)?;
        ensure!(
            before == after,
            "changed: {:#?}",
            before.symmetric_difference(&after).collect::<Vec<_>>()
        );
    }
    Ok(())
}

/// The names of all network interfaces.
fn links(process: Process) -> Result<Vec<String>> {
    let table = process.file("net/dev")?;
    Ok(table.lines().filter_map(|line| Some(format!("link {}", line.split_once(':')?.0))).collect())
}

fn page(identity: Identity) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let begin = Instant::now();
    let output = step.on_host().attempt(&[DOCTOR])?;
    ensure!(begin.elapsed() < Duration::from_secs(1), "it took {:?}", begin.elapsed());
    ensure!(
        output.stderr.is_empty() && !output.stdout.contains('\x1b'),
        "noise: {} {:?}",
        output.stderr,
        output.stdout
    );
    let long = output.stdout.lines().find(|line| line.chars().count() > 100);
    ensure!(long.is_none(), "a line is too long: {long:?}");
    ensure!(
        output.stdout.contains("\nAll nine chapters") == (output.code() == 0),
        "{}",
        output.stdout
    );
    Ok(())
}

fn without_programs(identity: Identity) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let report = ask(&step.on_host().environment("PATH", ""), HERE)?;
    for (name, verdict) in
        [("cc", "missing"), ("make", "missing"), ("rust", "missing"), ("xz", "limited")]
    {
        let finding = finding(&report, "programs", name)?;
        ensure!(finding["verdict"] == verdict, "{finding}");
    }
    // With a package manager on the way, the package.
    let bin = step.host().directory()?;
    bin.join("zypper").write("#!/bin/sh\n")?;
    fs::set_permissions(bin.join("zypper").here, PermissionsExt::from_mode(0o755))?;
    let report = ask(&step.on_host().environment("PATH", bin.arg()), HERE)?;
    let cure = finding(&report, "programs", "ssh")?["cure"].as_str().unwrap_or_default();
    ensure!(cure.ends_with("zypper --non-interactive install openssh-clients"), "{cure}");
    ensure!(cure.starts_with("sudo ") == (identity == Identity::User), "{cure}");
    Ok(())
}

/// Another release stands in /proc, in a mount table of its own.
fn kernels(identity: Identity) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let cases = [
        ("5.4.0-42-generic", "kernel", "limited"),
        ("6.12.0", "kernel", "OK"),
        ("4.4.0-19041-Microsoft", "Windows", "missing"),
        ("5.15.153.1-microsoft-standard-WSL2", "Windows", "OK"),
    ];
    for (release, subject, verdict) in cases {
        let file = step.host().directory()?.join("release");
        file.write(format!("{release}\n"))?;
        let script =
            format!("mount --bind {} /proc/sys/kernel/osrelease && exec \"$@\"", file.arg());
        let words = [&APART[..], &["-c", &script, "sh", DOCTOR, "--json"]].concat();
        let report: Value = serde_json::from_str(&step.on_host().attempt(&words)?.stdout)?;
        let finding = finding(&report, "this machine", subject)?;
        ensure!(finding["verdict"] == verdict, "{release}: {finding}");
    }
    Ok(())
}

fn named(says: &str) -> Result<&'static Machine> {
    MACHINES.iter().find(|machine| machine.says == says).context("no such machine")
}

fn masked(identity: Identity) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let report = ask(&step.on_host(), named("with a masked /proc")?)?;
    let finding = finding(&report, "06", "a container")?;
    ensure!(
        finding["verdict"] == "limited"
            && finding["because"].as_str().is_some_and(|it| it.contains("/proc")),
        "{finding}"
    );
    Ok(())
}

fn no_namespaces(identity: Identity) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let report = ask(&step.on_host(), named("without network namespaces")?)?;
    let finding = finding(&report, "this machine", "limits")?;
    ensure!(finding["cure"] == "sudo sysctl user.max_net_namespaces=15000", "{finding}");
    Ok(())
}

/// The command for limits on namespaces, in the namespace where they are.
fn cured(identity: Identity) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let report = ask(&step.on_host(), named("without user namespaces")?)?;
    let cure =
        finding(&report, "this machine", "limits")?["cure"].as_str().context("a cure")?.to_owned();
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces; {} > /dev/null; exec \"$@\"",
        cure.replace("sudo ", "/sbin/")
    );
    let words = [&APART[..], &["-c", &script, "sh", DOCTOR, "--json"]].concat();
    let report: Value = serde_json::from_str(&step.on_host().attempt(&words)?.stdout)?;
    let finding = finding(&report, "05", "a container")?;
    ensure!(finding["verdict"] == "OK", "after {cure}: {finding}");
    Ok(())
}

/// What step 09 is asked for besides a container, and the machines that lack it.
fn complete(identity: Identity) -> Result<()> {
    let step = Step::new(STEPS.len(), identity)?;
    let private = step.host().directory()?;
    let rootfs = private.join("tree");
    fs::rename(step.host().copy_of_rootfs()?.here, &rootfs.here).context("move the copy")?;
    fs::set_permissions(&private.here, Permissions::from_mode(0o700))?;
    let [refused, shifted] =
        [&["OLD", "mount:3:6=EPERM", "--"], &["OLD", "mount:3:6=EINVAL", "--"]]
            .map(|words| machine("of old", words));
    let (here, bare) = (step.on_host(), step.on_host().environment("PATH", ""));
    for (subject, option, launch, machine, because, cure) in [
        ("overlay", "--overlay", &here, HERE, "", ""),
        ("overlay", "--overlay", &here, &refused, "Operation not permitted", "FLAT=1"),
        ("overlay", "--overlay", &here, &shifted, "Invalid argument", "ordinary user"),
        ("internet", "--internet", &here, HERE, "", ""),
        ("internet", "--internet", &bare, HERE, "slirp4netns: not installed", "slirp4netns"),
    ] {
        let report = ask(launch, machine)?;
        let finding = finding(&report, "09", subject)?;
        let words = [&built("09-full"), option, rootfs.arg(), "/bin/true"];
        let output = attempt(launch, machine, &words)?;
        let warned =
            output.stderr.lines().any(|it| it.starts_with("warning: ") && it.contains(subject));
        let works = output.code() == 0 && !warned;
        ensure!(works == (finding["verdict"] == "OK"), "{}: {finding}", output.stderr);
        let text = finding.to_string();
        ensure!(text.contains(because) && text.contains(cure), "not {because}, {cure}: {text}");
    }
    Ok(())
}

fn without_sudo() -> Result<()> {
    let step = Step::new(STEPS.len(), Identity::User)?;
    let words = ["setpriv", "--no-new-privs", DOCTOR, "--json"];
    let report: Value = serde_json::from_str(&step.on_host().attempt(&words)?.stdout)?;
    let confined = finding(&report, "01 to 04", "root")?;
    ensure!(confined["verdict"] == "missing", "{confined}");
    let report = ask(&step.on_host().environment("PATH", ""), HERE)?;
    let none = finding(&report, "01 to 04", "root")?;
    ensure!(
        none["verdict"] == "limited"
            && none["cure"].as_str().is_some_and(|cure| cure.contains("su -c")),
        "{none}"
    );
    Ok(())
}

/// The doctor in a directory with no step, as after `cargo build -p tools`.
fn not_built() -> Result<()> {
    let step = Step::new(STEPS.len(), Identity::User)?;
    let report = ask_alone(&step, None)?;
    let finding = finding(&report, "06", "a container")?;
    ensure!(finding["verdict"] == "missing", "{finding}");
    ensure!(finding["cure"] == "make step-06 shows why", "{finding}");
    Ok(())
}

/// A learner's step in the middle of an exercise.
fn endless() -> Result<()> {
    let step = Step::new(STEPS.len(), Identity::User)?;
    let report = ask_alone(&step, Some("#!/bin/sh\nexec sleep 60\n"))?;
    let finding = finding(&report, "06", "a container")?;
    ensure!(finding["because"] == "06-mount cannot be tried: it does not end", "{finding}");
    Ok(())
}

/// A copy of the doctor, with this program in the place of step 06.
fn ask_alone(step: &Step, program: Option<&str>) -> Result<Value> {
    let directory = step.host().directory()?;
    fs::copy(DOCTOR, directory.join("doctor").here).context("copy the doctor")?;
    if let Some(program) = program {
        let file = directory.join("06-mount");
        file.write(program)?;
        fs::set_permissions(file.here, PermissionsExt::from_mode(0o755))?;
    }
    let words = [directory.join("doctor").arg().to_owned(), "--json".into()];
    let output = step.on_host().attempt(&words.each_ref().map(String::as_str))?;
    ensure!(output.code() == 1, "exit code {}", output.code());
    serde_json::from_str(&output.stdout).with_context(|| output.stderr.clone())
}
