//! A step, started on a host as its user would start it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;

use crate::child::Child;
use crate::evidence::{Event, Expect, Log};
use crate::host::{Host, HostPath, Identity, Needs, Setting};
use crate::paths::{self, STEPS};
use crate::process::{Process, pidfd_open};
use crate::programs::skip_without_programs;
use crate::standstill;

/// A step on a host, as one identity starts it.
pub struct Step {
    /// 1 to 9; 0 stands for no container: the command is run on the host as it is.
    pub number: usize,
    /// Who starts it.
    pub identity: Identity,
    host: Host,
    pub(crate) log: Log,
}

impl Step {
    /// Step `number` on a host of its own.
    ///
    /// # Errors
    /// When no such host can be made here.
    pub fn new(number: usize, identity: Identity) -> Result<Self> {
        Step::on(Host::new(identity, needs(number), Setting::Private)?, number)
    }

    /// Step `number` as a user starts it who is root of nothing.
    pub fn without_root(number: usize) -> Result<Self> {
        Step::on(Host::new(Identity::User, Needs::SubordinateIds, Setting::Private)?, number)
    }

    /// Step `number` with the links, names and queues of the machine itself, to see what it leaves
    /// there.
    pub fn on_machines_network(number: usize, identity: Identity) -> Result<Self> {
        Step::on(Host::new(identity, needs(number), Setting::MachinesNetwork)?, number)
    }

    /// The same on a host whose mounts are shared, as systemd makes them (mount_namespaces(7)).
    pub fn with_shared_mounts(&self) -> Result<Self> {
        let host = Host::new(self.identity, needs(self.number), Setting::SharedMounts)?;
        Ok(Step { log: self.log.clone(), ..Step::on(host, self.number)? })
    }

    fn on(host: Host, number: usize) -> Result<Self> {
        ensure!(number <= STEPS.len(), "there is no step {number}");
        Ok(Step { number, identity: host.identity, host, log: Log::default() })
    }

    /// Its name, as `02-pid`.
    pub fn name(&self) -> &'static str {
        self.number.checked_sub(1).map_or("no container", |index| STEPS[index])
    }

    /// Its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Begins a comparison of something found with what the claim expects.
    pub fn expect<T>(&self, what: impl Into<String>, found: T) -> Expect<T> {
        Expect { log: self.log.clone(), what: what.into(), found }
    }

    /// Whether the step has this option, by its own `--help`.
    pub fn has(&self, option: &str) -> Result<bool> {
        let help = self.help()?;
        Ok(help.split_whitespace().any(|word| word.trim_end_matches(',') == option))
    }

    /// What `--help` prints. It is asked once, on the host: who knows what else the program does.
    fn help(&self) -> Result<String> {
        static KNOWN: Mutex<BTreeMap<usize, String>> = Mutex::new(BTreeMap::new());
        let Some(index) = self.number.checked_sub(1) else { return Ok(String::new()) };
        let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(help) = known.get(&self.number) {
            return Ok(help.clone());
        }
        let program = self.host.place(&paths::binary(STEPS[index])?)?;
        let argv = vec![program.arg().to_owned(), "--help".to_owned()];
        let own = words_in_memory(&argv);
        let output = self.launch().start_program(argv, own)?.wait()?;
        Ok(known.entry(self.number).or_insert(output.stdout).clone())
    }

    /// A start of the step, with options to be added.
    pub fn launch(&self) -> Launch<'_> {
        Launch {
            step: self,
            options: Vec::new(),
            words: Vec::new(),
            rootfs: None,
            directory: "/".into(),
            container: self.number > 0,
            groups: Vec::new(),
            closed: Vec::new(),
            leaked: Vec::new(),
            ignored: Vec::new(),
            environment: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Starts a container that runs `command`, and waits for its payload to be there.
    pub fn start(&self, command: &[&str]) -> Result<Container> {
        self.launch().start(command)
    }

    /// Runs a container to its end.
    pub fn output(&self, command: &[&str]) -> Result<Output> {
        self.launch().output(command)
    }

    /// A start of a command on the host, outside the container.
    pub fn on_host(&self) -> Launch<'_> {
        Launch { container: false, ..self.launch() }
    }

    /// Lets `try-call`, on the host or in the container, make a system call, and returns what the
    /// kernel answered.
    pub fn try_call(&self, launch: &Launch<'_>, call: &[&str]) -> Result<nix::Result<()>> {
        let program =
            if launch.container { "try-call".into() } else { self.host.try_call()?.there };
        let mut command = vec![program.to_str().context("a path that is not UTF-8")?];
        command.extend(call);
        let code = launch.output(&command)?.code();
        ensure!(code != 255, "try-call knows no {call:?}");
        Ok(if code == 0 { Ok(()) } else { Err(Errno::from_raw(code)) })
    }
}

fn needs(number: usize) -> Needs {
    match number {
        0..5 => Needs::Root,
        5..9 => Needs::Nothing,
        _ => Needs::SubordinateIds,
    }
}

/// A start of a step.
#[derive(Clone)]
pub struct Launch<'a> {
    step: &'a Step,
    options: Vec<Vec<String>>,
    words: Vec<String>,
    rootfs: Option<PathBuf>,
    directory: PathBuf,
    container: bool,
    groups: Vec<u32>,
    closed: Vec<i32>,
    leaked: Vec<(i32, CString)>,
    ignored: Vec<i32>,
    environment: Vec<(String, String)>,
    refused: Vec<String>,
}

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// The exit code; 128 + n after signal n.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// Standard output without its last newline.
    pub fn line(&self) -> &str {
        self.stdout.trim_end()
    }
}

impl<'a> Launch<'a> {
    /// Adds an option; a step that has none of that name is started without it.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        let joined = value.starts_with('-').then(|| vec![format!("{name}={value}")]);
        self.options.push(joined.unwrap_or_else(|| vec![name.to_owned(), value.to_owned()]));
        self
    }

    /// Adds an option that has no value; a step that has none of that name is started without it.
    pub fn flag(mut self, name: &str) -> Self {
        self.options.push(vec![name.to_owned()]);
        self
    }

    /// Adds words before the rootfs as they are, whether or not the step knows them.
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// Uses another rootfs than the common one.
    pub fn rootfs(mut self, rootfs: &HostPath) -> Self {
        self.rootfs = Some(rootfs.there.clone());
        self
    }

    /// Starts it in this directory of the host instead of `/`.
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = directory.to_owned();
        self
    }

    /// Starts it with these supplementary groups: for the machine's root only.
    pub fn groups(mut self, groups: &[u32]) -> Self {
        self.groups = groups.to_vec();
        self
    }

    /// Starts it without these descriptors: 0, 1, 2.
    pub fn closing(mut self, descriptors: &[i32]) -> Self {
        self.closed = descriptors.to_vec();
        self
    }

    /// Starts it with these descriptors open, on a file of the host.
    pub fn leaking(mut self, descriptors: &[i32]) -> Self {
        self.leaked
            .extend(descriptors.iter().map(|&descriptor| (descriptor, c"/etc/passwd".into())));
        self
    }

    /// Starts it with this descriptor open, on something of the host.
    pub fn leaking_path(mut self, descriptor: i32, path: &HostPath) -> Result<Self> {
        self.leaked.push((descriptor, CString::new(path.arg())?));
        Ok(self)
    }

    /// Starts it with this variable in its environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts it with these signals ignored, which execve(2) leaves as they are.
    pub fn ignoring(mut self, signals: &[i32]) -> Self {
        self.ignored = signals.to_vec();
        self
    }

    /// Starts it as on a kernel that refuses these system calls, or takes its time: words
    /// `CALL=ERRNO` or `CALL=5ms` for the program `inject-errno`.
    pub fn injecting(mut self, calls: &[&str]) -> Self {
        self.refused = calls.iter().map(|&call| call.to_owned()).collect();
        self
    }

    /// Starts the container and waits until its payload runs.
    ///
    /// # Errors
    /// When the step ends before; this is a failure of the experiment, not evidence.
    pub fn start(&self, command: &[&str]) -> Result<Container> {
        let mut launched = self.spawn(command)?;
        let payload = launched.find_payload()?;
        let pidfd = pidfd_open(payload.pid as u32)?;
        Ok(Container { launcher: launched.process(), payload, launched, pidfd })
    }

    /// Starts the launcher, and waits for nothing.
    pub fn spawn(&self, command: &[&str]) -> Result<Launched> {
        let argv = self.argv(command)?;
        skip_without_programs(&argv)?;
        self.step.log.add(Event::Command(self.typed(&argv)));
        let before = self.refuser()?.len();
        let own = if self.container { words_in_memory(&argv[before..]) } else { Vec::new() };
        self.start_program(argv, own)
    }

    fn typed(&self, argv: &[String]) -> String {
        self.step.host.as_typed(&quote(argv))
    }

    fn start_program(&self, argv: Vec<String>, own: Vec<u8>) -> Result<Launched> {
        let (stdout, stderr) =
            (tempfile::tempfile().context("tempfile")?, tempfile::tempfile().context("tempfile")?);
        let mut launcher = Command::new(&argv[0]);
        launcher
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?);
        launcher
            .env("RUST_BACKTRACE", "0")
            .env("LC_ALL", "C")
            .env("XDG_RUNTIME_DIR", self.step.host().runtime_directory()?)
            .envs(self.environment.iter().cloned());
        let (closed, leaked, ignored) =
            (self.closed.clone(), self.leaked.clone(), self.ignored.clone());
        let prepare = move || prepare(&closed, &leaked, &ignored);
        let child = self.step.host.spawn(&mut launcher, &self.directory, &self.groups, prepare)?;
        Ok(Launched { child, typed: self.typed(&argv), own, stdout, stderr, lines: 0 })
    }

    /// Runs the container to its end.
    ///
    /// # Errors
    /// When the step itself fails, so that the payload did not run: that proves nothing.
    pub fn output(&self, command: &[&str]) -> Result<Output> {
        let output = self.attempt(command)?;
        let reported = output.stderr.to_lowercase().starts_with("error:");
        let failed = self.container && reported && matches!(output.code(), 2 | 125..=127);
        ensure!(!failed, "{} failed: {}", self.step.name(), output.stderr.trim_end());
        Ok(output)
    }

    /// Runs the container to its end, which may be that the step refuses to.
    pub fn attempt(&self, command: &[&str]) -> Result<Output> {
        self.spawn(command)?.wait()
    }

    /// Whether the options ask for a limit that whoever starts it may not set on this machine.
    pub fn limits_are_refused(&self) -> Result<bool> {
        const REASONS: [&str; 4] =
            ["Permission denied", "Read-only file system", "no hierarchy", "no group from here up"];
        let output = self.attempt(&["true"])?;
        Ok(output.code() == 125 && REASONS.iter().any(|reason| output.stderr.contains(reason)))
    }

    /// The words before those of the launcher: the program that executes it.
    fn refuser(&self) -> Result<Vec<String>> {
        let refuse = self.step.host.place(&paths::binary("inject-errno")?)?;
        let words = [&[refuse.arg().to_owned()], &self.refused[..], &["--".to_owned()]].concat();
        Ok(if self.refused.is_empty() { Vec::new() } else { words })
    }

    /// All words of the command line.
    pub(crate) fn argv(&self, command: &[&str]) -> Result<Vec<String>> {
        let host = &self.step.host;
        let Some(index) = self.step.number.checked_sub(1).filter(|_| self.container) else {
            // Our programs may lie where the ordinary user cannot go.
            let target = paths::target()?;
            let reach = |word: &&str| match Path::new(word).starts_with(&target) {
                true => Ok(host.place(Path::new(word))?.arg().to_owned()),
                false => Ok((*word).to_owned()),
            };
            return command.iter().map(reach).collect();
        };
        let rootfs = match &self.rootfs {
            Some(rootfs) => rootfs.clone(),
            None => host.rootfs()?.there,
        };
        let mut argv = self.refuser()?;
        argv.push(host.place(&paths::binary(STEPS[index])?)?.arg().to_owned());
        for option in &self.options {
            if self.step.has(option[0].split('=').next().unwrap_or_default())? {
                argv.extend_from_slice(option);
            }
        }
        argv.extend_from_slice(&self.words);
        argv.push(rootfs.to_str().context("a path that is not UTF-8")?.to_owned());
        argv.extend(command.iter().map(|&word| word.to_owned()));
        Ok(argv)
    }
}

/// Between fork and exec.
fn prepare(closed: &[i32], leaked: &[(i32, CString)], ignored: &[i32]) -> io::Result<()> {
    // What happens to be open where the tests were started shall not decide. Before Linux 5.11 it may.
    // SAFETY: descriptors are marked, and none is closed here.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    for &signal in ignored {
        // SAFETY: SIG_IGN runs no code.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    for &descriptor in closed {
        nix::unistd::close(descriptor)?;
    }
    for (descriptor, path) in leaked {
        // SAFETY: the path outlives the call. The flag is cleared last, because dup2(2) does not clear
        // it where the file happens to have this number already.
        unsafe {
            let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK; // a FIFO waits for nobody
            Errno::result(libc::dup2(libc::open(path.as_ptr(), flags), *descriptor))?;
            Errno::result(libc::fcntl(*descriptor, libc::F_SETFD, 0))?;
        }
    }
    Ok(())
}

/// The arguments as /proc/PID/cmdline shows them.
fn words_in_memory(argv: &[String]) -> Vec<u8> {
    argv.iter().flat_map(|word| word.bytes().chain([0])).collect()
}

/// The arguments as one would type them.
fn quote(argv: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&b))
    };
    let quoted = |word: &String| {
        if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    argv.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// A launcher that was started; whether a payload runs already is not known. Dropped, it is killed.
pub struct Launched {
    child: Child,
    typed: String,
    /// The command line by which the step is known; empty where the command runs on the host.
    own: Vec<u8>,
    stdout: File,
    stderr: File,
    lines: usize,
}

impl Launched {
    /// The launcher.
    pub fn process(&self) -> Process {
        Process { pid: self.child.id() as i32 }
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<Output> {
        let mut status = None;
        let launcher = self.process();
        let what = format!("{}: it does not end", self.typed);
        let is_step = |it: &Process| runs(*it, &self.own);
        standstill::wait_for(&what, launcher, is_step, || {
            status = self.child.try_wait().context("waitpid")?;
            Ok(status.is_some())
        })?;
        let status = status.context("no exit status")?;
        Ok(Output { status, stdout: content(&self.stdout)?, stderr: content(&self.stderr)? })
    }

    /// What it has written to standard output so far.
    pub(crate) fn stdout_so_far(&self) -> Result<String> {
        content(&self.stdout)
    }

    /// Kills the launcher, and nobody else.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill the launcher")
    }

    /// The payload is the first process, from the launcher downwards, that runs another command
    /// than the launcher: it has executed it (execve(2)).
    fn find_payload(&mut self) -> Result<Process> {
        let launcher = self.process();
        if self.own.is_empty() {
            return Ok(launcher);
        }
        let mut payload = None;
        let mut ended = None;
        let what = format!("{}: no payload comes", self.typed);
        let is_step = |it: &Process| runs(*it, &self.own);
        standstill::wait_for(&what, launcher, is_step, || {
            payload = payload_below(launcher, &self.own);
            ended = self.child.try_wait().context("waitpid")?;
            Ok(payload.is_some() || ended.is_some())
        })?;
        match (payload, ended) {
            (Some(payload), None) => Ok(payload),
            (_, status) => {
                let status = status.map_or_else(String::new, |status| format!(" with {status}"));
                let printed = content(&self.stderr)?;
                bail!("{} ended{status}: {}", self.typed, printed.trim_end())
            }
        }
    }
}

/// Whether a process runs the step of this command line. One that has ended has none.
fn runs(process: Process, own: &[u8]) -> bool {
    process.cmdline().is_ok_and(|cmdline| is_own(process, &cmdline, own))
}

fn is_own(process: Process, cmdline: &[u8], own: &[u8]) -> bool {
    // Process 1 of step 09 writes over its command line, which takes more than a moment when it
    // lies on two pages. Its name is there before, and is never half written.
    !own.is_empty() && cmdline.ends_with(own)
        || process.file("comm").is_ok_and(|name| name == "container-init\n")
}

fn payload_below(launcher: Process, own: &[u8]) -> Option<Process> {
    // Read once: while the launcher executes itself again (step 09), it has none for a moment.
    let another = |process: &Process| {
        let cmdline = process.cmdline().unwrap_or_default();
        !cmdline.is_empty() && !is_own(*process, &cmdline, own)
    };
    // A program that the launcher itself runs, such as newuidmap(1), stays in the launcher's PID
    // namespace.
    let depth = |process: &Process| process.ns_pids().map_or(0, |pids| pids.len());
    let inside =
        launcher.descendants().into_iter().filter(|process| depth(process) > depth(&launcher));
    [launcher].into_iter().chain(inside).find(another)
}

/// All of a file that somebody else may be writing to: does not move the offset that we share.
fn content(file: &File) -> Result<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match file.read_at(&mut buffer, bytes.len() as u64).context("read output")? {
            0 => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A container that runs. Dropped, it is killed.
pub struct Container {
    /// The process that was started: the step's binary. In step 01 it becomes the payload itself.
    pub launcher: Process,
    /// The process that runs the command.
    pub payload: Process,
    launched: Launched,
    pidfd: OwnedFd,
}

impl Container {
    /// Waits for the end of the launcher.
    pub fn wait(&mut self) -> Result<Output> {
        self.launched.wait()
    }

    /// Kills the launcher, and nobody else.
    pub fn kill_launcher(&mut self) -> Result<()> {
        self.launched.kill()
    }

    /// Sends a signal to the payload, from the host.
    pub fn signal_payload(&self, signal: i32) -> Result<()> {
        // SAFETY: a null siginfo asks the kernel to fill it in as kill(2) does.
        let result = unsafe {
            let none = std::ptr::null::<libc::siginfo_t>();
            libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), signal, none, 0)
        };
        Errno::result(result).map(drop).context("pidfd_send_signal")
    }

    /// The next line that the container writes to standard output; waits for it.
    pub fn read_line(&mut self) -> Result<String> {
        let Launched { child, own, stdout, stderr, lines, .. } = &mut self.launched;
        let mut line = None;
        let is_step = |it: &Process| runs(*it, own);
        standstill::wait_for("a line of output", self.launcher, is_step, || {
            let all = content(stdout)?;
            let whole = all.rfind('\n').map_or("", |end| &all[..end]);
            line = whole.lines().nth(*lines).map(str::to_owned);
            let ended = line.is_none() && child.try_wait().context("waitpid")?.is_some();
            if ended {
                bail!("it ended without writing it: {}", content(stderr)?.trim_end());
            }
            Ok(line.is_some())
        })?;
        *lines += 1;
        line.context("no line")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.signal_payload(libc::SIGKILL); // a step that leaves its payload behind must not stay unnoticed here
    }
}
