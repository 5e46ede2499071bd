//! What each step says to bad input, and that it leaves nothing behind.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use harness::{
    HostPath, Identity, Launch, Output, STEPS, Step, processes_with_argument, suite, test,
    wait_until,
};
use libtest_mimic::Trial;

/// One bad input.
#[derive(Clone, Copy)]
struct Case {
    /// What is wrong, in words.
    says: &'static str,
    /// The steps that take such words.
    steps: (usize, usize),
    only: Option<Identity>,
    /// What happens: the exit code that is expected.
    code: i32,
    /// The message names this.
    names: &'static str,
    /// Whether the message must say what to do about it.
    hint: bool,
    input: fn(&Step) -> Result<Input<'_>>,
}

/// A launch, the rootfs that it is tried on, and the command.
type Input<'a> = (Launch<'a>, Option<HostPath>, Vec<String>);

const OURS: i32 = 125;
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;
const USAGE: i32 = 2;

fn main() -> ExitCode {
    let mut cases = of_the_rootfs();
    cases.extend(of_the_command());
    cases.extend(of_the_options());
    let mut tests: Vec<Trial> = cases.into_iter().flat_map(trials).collect();
    for identity in [Identity::Root, Identity::User] {
        tests.push(test(
            "a closed descriptor does not change the exit code",
            identity,
            move || closed(identity),
        ));
        tests.push(test("an address that is in use is refused", identity, move || {
            address_in_use(identity)
        }));
    }
    tests.push(test("steps 01 to 04 without root", Identity::User, without_root));
    suite(tests, false)
}

fn trials(case: Case) -> impl Iterator<Item = Trial> {
    let identities = [Identity::Root, Identity::User].into_iter();
    let identities =
        identities.filter(move |identity| case.only.is_none_or(|only| only == *identity));
    identities.map(move |identity| test(case.says, identity, move || case.check(identity)))
}

impl Case {
    fn check(self, identity: Identity) -> Result<()> {
        for number in self.steps.0..=self.steps.1 {
            let step = Step::new(number, identity)?;
            let (launch, rootfs, command) = (self.input)(&step)?;
            let launch = rootfs.iter().fold(launch, Launch::rootfs);
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            self.expect(&step, launch, &command).with_context(|| step.name())?;
        }
        Ok(())
    }

    fn expect(self, step: &Step, launch: Launch<'_>, command: &[&str]) -> Result<()> {
        let token = format!("bad-input-{}", step.host().process().pid);
        let command = [command, &[token.as_str()]].concat();
        let before = step.host().process().file("mountinfo")?;
        let output = launch.attempt(&command)?;
        expect_told(&output, self.code, self.names, self.hint)?;
        let gone = || Ok(processes_with_argument(&token).is_empty());
        wait_until("the end of all processes", std::time::Duration::from_secs(2), gone)?;
        let changes = step.host().mount_changes(&before)?;
        ensure!(changes.is_empty(), "left on the host: {changes:?}");
        Ok(())
    }
}

/// The message as it should be, whoever wrote it: we or clap.
fn expect_told(output: &Output, code: i32, names: &str, hint: bool) -> Result<()> {
    let printed = output.stderr.trim_end();
    ensure!(output.code() == code, "exit code {}, expected {code}: {printed}", output.code());
    ensure!(
        printed.to_lowercase().starts_with("error:"),
        "does not begin with `Error:`: {printed}"
    );
    ensure!(printed.contains(names), "does not name {names}: {printed}");
    ensure!(!hint || printed.contains("\nhint: "), "has no hint: {printed}");
    ensure!(
        !printed.contains("panicked") && printed.lines().count() <= 8,
        "not a message for a user: {printed}"
    );
    Ok(())
}

fn case(
    says: &'static str,
    code: i32,
    names: &'static str,
    input: fn(&Step) -> Result<Input<'_>>,
) -> Case {
    Case { says, steps: (1, STEPS.len()), only: None, code, names, hint: code != USAGE, input }
}

impl Case {
    fn steps(self, first: usize, last: usize) -> Self {
        Case { steps: (first, last), ..self }
    }

    fn only(self, identity: Identity) -> Self {
        Case { only: Some(identity), ..self }
    }
}

fn of_the_rootfs() -> Vec<Case> {
    vec![
        case("a rootfs that is not there", OURS, "absent", |step| {
            tried_on(step, step.host().directory()?.join("absent"))
        }),
        case("a rootfs that is a file", OURS, "file.tar", |step| {
            let file = step.host().directory()?.join("file.tar");
            file.write("")?;
            tried_on(step, file)
        }),
        case("an empty rootfs", NOT_FOUND, "sh", |step| {
            tried_on(step, step.host().empty_rootfs()?)
        })
        .steps(1, 5),
        case("an empty rootfs, on which /proc is to be mounted", OURS, "/proc", |step| {
            tried_on(step, step.host().empty_rootfs()?)
        })
        .steps(6, 9),
        case("a rootfs without /proc", OURS, "/proc", |step| without(step, "proc")).steps(6, 9),
        case("a rootfs without /dev", OURS, "/dev", |step| without(step, "dev")).steps(6, 9),
        case("a rootfs without /sys", OURS, "/sys", |step| without(step, "sys")).steps(7, 9),
    ]
}

fn of_the_command() -> Vec<Case> {
    vec![
        case("a command that is not there", NOT_FOUND, "no-such-command", |step| {
            run(step, "no-such-command")
        }),
        case("a path that is not there", NOT_FOUND, "/no/such/command", |step| {
            run(step, "/no/such/command")
        }),
        case("a command that is not executable", NOT_EXECUTABLE, "/plain", |step| {
            made(step, b"#!/bin/sh\n", 0o644)
        }),
        case("a command that is a directory", NOT_EXECUTABLE, "/etc", |step| run(step, "/etc")),
        case("a text without #!", NOT_EXECUTABLE, "/plain", |step| made(step, b"text", 0o755)),
        case("an empty file", NOT_EXECUTABLE, "/plain", |step| made(step, b"", 0o755)),
        case("a script whose interpreter is missing", NOT_FOUND, "/no/such/interpreter", |step| {
            made(step, b"#!/no/such/interpreter\n", 0o755)
        }),
        case("a program whose loader is missing", NOT_FOUND, "/ld-", |step| {
            made(step, &fs::read(step.host().try_call()?.here).context("read probe")?, 0o755)
        }),
        case("a program for another machine", NOT_EXECUTABLE, "architecture", |step| {
            let mut program = fs::read(step.host().try_call()?.here).context("read probe")?;
            program[18..20].copy_from_slice(&[0xfe, 0xfe]); // e_machine (elf(5)): none that binfmt_misc could know
            made(step, &program, 0o755)
        }),
        case("a link that leads out of the rootfs", NOT_FOUND, "/plain", |step| {
            let rootfs = step.host().copy_of_rootfs()?;
            symlink("/no/such/place", rootfs.here.join("plain")).context("symlink")?;
            Ok((step.launch(), Some(rootfs), vec!["/plain".into()]))
        }),
    ]
}

fn of_the_options() -> Vec<Case> {
    vec![
        case("an option that does not exist", USAGE, "--no-such-option", |step| {
            words(step, &["--no-such-option"])
        }),
        case("an empty host name", USAGE, "--hostname", |step| words(step, &["--hostname", ""]))
            .steps(3, 9),
        case("a host name of 65 bytes", USAGE, "65 bytes", |step| {
            words(step, &["--hostname", &"x".repeat(65)])
        })
        .steps(3, 9),
        case("an empty domain name", USAGE, "--domainname", |step| {
            words(step, &["--domainname", ""])
        })
        .steps(3, 9),
        case("a map that is not three numbers", USAGE, "0:0", |step| {
            words(step, &["--uid-map", "0:0"])
        })
        .steps(5, 9),
        case("a map of no ids", USAGE, "0:0:0", |step| words(step, &["--gid-map", "0:0:0"]))
            .steps(5, 9),
        case("maps that overlap inside", USAGE, "0:100000:2 and 1:200000:1 overlap", |step| {
            words(step, &["--uid-map", "0:100000:2", "--uid-map", "1:200000:1"])
        })
        .steps(5, 9),
        case("maps that overlap outside", USAGE, "0:100000:2 and 7:100001:1 overlap", |step| {
            words(step, &["--gid-map", "0:100000:2", "--gid-map", "7:100001:1"])
        })
        .steps(5, 9),
        case("a map together with --no-map", USAGE, "--no-map", |step| {
            words(step, &["--no-map", "--uid-map", "0:0:1"])
        })
        .steps(5, 9),
        case("a map of another user's id", OURS, "uid_map", |step| {
            words(step, &["--uid-map", "0:0:1"])
        })
        .steps(5, 9)
        .only(Identity::User),
        case("a map of ids that others own", OURS, "gid_map", |step| {
            words(step, &["--gid-map", "0:100000:65536"])
        })
        .steps(5, 9)
        .only(Identity::User),
        case("something that is not an address", USAGE, "300.1.1.1/24", |step| {
            words(step, &["--ip", "300.1.1.1/24"])
        })
        .steps(7, 9),
        case("an address without its prefix length", USAGE, "10.77.0.1", |step| {
            words(step, &["--ip", "10.77.0.1"])
        })
        .steps(7, 9),
        case("the address of a network", USAGE, "10.77.0.0", |step| {
            words(step, &["--ip", "10.77.0.0/24"])
        })
        .steps(7, 9),
        case("a broadcast address", USAGE, "10.77.0.255", |step| {
            words(step, &["--ip", "10.77.0.255/24"])
        })
        .steps(7, 9),
        case("a loopback address", USAGE, "127.0.0.1", |step| {
            words(step, &["--ip", "127.0.0.1/8"])
        })
        .steps(7, 9),
        case("a prefix length of 32", USAGE, "10.77.0.1/32", |step| {
            words(step, &["--ip", "10.77.0.1/32"])
        })
        .steps(7, 9),
        case("no CPUs", USAGE, "--cpus", |step| words(step, &["--cpus", "0"])).steps(8, 9),
        case("less than no CPUs", USAGE, "--cpus", |step| words(step, &["--cpus", "-1"]))
            .steps(8, 9),
        case("CPUs that are no number", USAGE, "--cpus", |step| words(step, &["--cpus", "nan"]))
            .steps(8, 9),
        case("more CPUs than the machine has", USAGE, "CPUs", |step| {
            words(step, &["--cpus", "1000000"])
        })
        .steps(8, 9),
        case("no memory", USAGE, "--memory", |step| words(step, &["--memory", "0"])).steps(8, 9),
        case("a unit that does not exist", USAGE, "12Q", |step| words(step, &["--memory", "12Q"]))
            .steps(8, 9),
        case("more memory than a number can say", USAGE, "--memory", |step| {
            words(step, &["--memory", "99999999999999999999G"])
        })
        .steps(8, 9),
        case("no processes", USAGE, "--pids", |step| words(step, &["--pids", "0"])).steps(8, 9),
    ]
}

fn tried_on(step: &Step, rootfs: HostPath) -> Result<Input<'_>> {
    Ok((step.launch(), Some(rootfs), vec!["sh".into()]))
}

fn without<'a>(step: &'a Step, directory: &str) -> Result<Input<'a>> {
    let rootfs = step.host().copy_of_rootfs()?;
    fs::remove_dir_all(rootfs.here.join(directory))
        .with_context(|| format!("remove {directory}"))?;
    tried_on(step, rootfs)
}

fn run<'a>(step: &'a Step, command: &str) -> Result<Input<'a>> {
    Ok((step.launch(), None, vec![command.into()]))
}

fn words<'a>(step: &'a Step, words: &[&str]) -> Result<Input<'a>> {
    Ok((step.launch().words(words), None, vec!["sleep".into(), "30".into()]))
}

/// A rootfs with nothing in it but the mount points.
fn bare_rootfs(step: &Step) -> Result<HostPath> {
    let rootfs = step.host().empty_rootfs()?;
    for directory in ["proc", "dev", "sys", "tmp", "etc"] {
        fs::create_dir(rootfs.here.join(directory))
            .with_context(|| format!("mkdir {directory}"))?;
        step.host().give_to_user(&rootfs.here.join(directory))?;
    }
    Ok(rootfs)
}

/// The file /plain in a rootfs of its own.
fn made<'a>(step: &'a Step, content: &[u8], mode: u32) -> Result<Input<'a>> {
    let rootfs = bare_rootfs(step)?;
    let file = rootfs.join("plain");
    file.write(content)?;
    fs::set_permissions(&file.here, Permissions::from_mode(mode)).context("chmod")?;
    Ok((step.launch(), Some(rootfs), vec!["/plain".into()]))
}

/// Steps that need root say so, and how to get it.
fn without_root() -> Result<()> {
    for number in 1..=4 {
        let step = Step::without_root(number)?;
        let output = step.launch().attempt(&["sh", "-c", ":"])?;
        expect_told(&output, OURS, "Operation not permitted", true).with_context(|| step.name())?;
        ensure!(
            output.stderr.contains("sudo"),
            "{}: does not say sudo: {}",
            step.name(),
            output.stderr
        );
    }
    Ok(())
}

/// A descriptor that is closed is the first that a new file or pipe gets.
fn closed(identity: Identity) -> Result<()> {
    for number in 1..=STEPS.len() {
        let step = Step::new(number, identity)?;
        for descriptors in [vec![0], vec![1], vec![2], vec![0, 1, 2]] {
            let output = step.launch().closing(&descriptors).attempt(&["sh", "-c", "exit 7"])?;
            let (name, code) = (step.name(), output.code());
            ensure!(
                code == 7,
                "{name} without {descriptors:?}: exit code {code}: {}",
                output.stderr
            );
        }
    }
    Ok(())
}

/// Only where containers share a host: an ordinary user's each have one of their own from step 07
/// on.
fn address_in_use(identity: Identity) -> Result<()> {
    if identity == Identity::User {
        return harness::skip(
            "each container of an ordinary user has a host of its own, without the others' addresses",
        );
    }
    for number in 7..=STEPS.len() {
        let step = Step::new(number, identity)?;
        let launch = step.launch().option("--ip", "10.77.0.2/24");
        let _container = launch.start(&["sleep", "30"])?;
        let output = launch.attempt(&["sleep", "30"])?;
        expect_told(&output, OURS, "10.77.0", true).with_context(|| step.name())?;
    }
    Ok(())
}
