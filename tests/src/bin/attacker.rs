//! Tries to get out of a container, and prepares what it may find outside.
//!
//! `attacker [NAME=VALUE …] [ATTACK …]` runs inside and tries these attacks, or all: a line each, of
//! name, result and evidence. The values say where the decoys are, which `attacker decoys FILE` lays
//! out on the host. `attacker careless COMMAND …` starts a command as a careless launcher does: with
//! a key in its keyring and, with `--terminal`, a terminal. `attacker ambush program=ID` waits inside
//! for a process that joins, and `attacker fake-proc FILE` mounts a /proc of links to a file.

use std::env::args;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::attacks::{Attempt, Decoys, How, KEY, Stop, all, handle};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::pty::openpty;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::stat::fstat;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, alarm, dup2_stdin, execvp, fork, setsid};

/// For one attack, in seconds.
const LIMIT: u32 = 5;

fn main() -> ExitCode {
    let words: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["decoys", marker] => decoys(marker),
        ["careless", "--terminal", ref command @ ..] => on_terminal(command),
        ["careless", ref command @ ..] => careless(command),
        ["ambush", program] => ambush(program),
        ["fake-proc", victim] => fake_proc(victim),
        _ => try_all(&words),
    };
    result.map_or_else(
        |error| {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// Tries attacks, each in a process of its own.
fn try_all(words: &[&str]) -> Result<()> {
    let mut decoys = Decoys::default();
    let names: Vec<&str> = words.iter().copied().filter(|word| !decoys.take(word)).collect();
    for attack in all() {
        let How::Inside(run) = attack.how else { continue };
        if !names.is_empty() && !names.contains(&attack.name) {
            continue;
        }
        let line = format!("{}\t{}\n", attack.name, in_child(run, &decoys)?);
        io::stdout().write_all(line.as_bytes()).context("write to standard output")?;
    }
    Ok(())
}

/// What one attack came to, whatever it does to its own process.
fn in_child(run: fn(&Decoys) -> Attempt, decoys: &Decoys) -> Result<String> {
    let (mut reader, mut writer) = io::pipe().context("pipe")?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            drop(reader);
            alarm::set(LIMIT);
            let result = describe(run(decoys));
            let _ = writer.write_all(result.as_bytes());
            // SAFETY: ends only this process.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut result = String::new();
            let _ = reader.read_to_string(&mut result);
            Ok(match waitpid(child, None).context("waitpid")? {
                WaitStatus::Signaled(_, Signal::SIGALRM, _) => "untried\ttook too long".into(),
                WaitStatus::Signaled(_, Signal::SIGSEGV, _) => {
                    "untried\tthis kernel has no such call".into()
                }
                WaitStatus::Signaled(_, signal, _) => format!("stopped\tended by {signal}"),
                _ => result,
            })
        }
    }
}

fn describe(result: Result<String, Stop>) -> String {
    match result {
        Ok(gained) => format!("succeeded\t{gained}"),
        Err(Stop::Refused(errno)) => format!("stopped\t{errno:?}"),
        Err(Stop::Nothing(why)) => format!("stopped\t{why}"),
        Err(Stop::Untried(why)) => format!("untried\t{why}"),
    }
}

/// Lays out the decoys, prints where they are, and removes them when it is asked to end or its parent
/// has ended.
fn decoys(marker: &str) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGTERM).context("prctl PR_SET_PDEATHSIG")?;
    let end = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    end.thread_block().context("sigprocmask")?;
    let pid = std::process::id();
    let name = format!("attack-{pid}");
    let queues = Queues::new(pid, &name)?;
    let tcp = TcpListener::bind("127.0.0.1:0").context("listen on 127.0.0.1")?;
    let _unix =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?).context("listen")?;
    let byte = Box::new(7_u8);
    let mut words = vec![
        format!("marker={marker}"),
        format!("pid={pid}"),
        format!("address={}", &raw const *byte as usize),
        format!("key={pid}"),
        format!("queue={name}"),
        format!("port={}", tcp.local_addr()?.port()),
    ];
    words.extend(handle(marker).map(|handle| format!("handle={handle}")));
    for kind in ["mnt", "uts", "net", "cgroup"] {
        let path = format!("/proc/self/ns/{kind}");
        words.push(format!("{kind}={}", std::fs::read_link(&path).context(path)?.display()));
    }
    println!("{}", words.join(" "));
    end.wait().context("sigwait")?;
    drop(queues);
    Ok(())
}

/// Removed when dropped: the kernel keeps them until it is restarted (sysvipc(7)).
struct Queues {
    messages: libc::c_int,
    memory: libc::c_int,
    posix: CString,
}

impl Queues {
    fn new(key: u32, name: &str) -> Result<Self> {
        let flags = libc::IPC_CREAT | 0o600;
        // SAFETY: these take integers, and a string that outlives the call.
        unsafe {
            let messages = Errno::result(libc::msgget(key as i32, flags)).context("msgget")?;
            let memory = Errno::result(libc::shmget(key as i32, 4096, flags)).context("shmget")?;
            let posix = CString::new(format!("/{name}"))?;
            let attributes = std::ptr::null::<libc::mq_attr>();
            Errno::result(libc::mq_open(
                posix.as_ptr(),
                libc::O_RDWR | libc::O_CREAT,
                0o600,
                attributes,
            ))
            .context("mq_open")?;
            Ok(Queues { messages, memory, posix })
        }
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        // SAFETY: the commands take no further argument, and the name ends with a NUL.
        unsafe {
            libc::msgctl(self.messages, libc::IPC_RMID, std::ptr::null_mut());
            libc::shmctl(self.memory, libc::IPC_RMID, std::ptr::null_mut());
            libc::mq_unlink(self.posix.as_ptr());
        }
    }
}

/// Becomes `command`, with a key in a session keyring that goes with it.
fn careless(command: &[&str]) -> Result<()> {
    let _ = lay_key(); // inside another container keyrings may be missing: then no key is found
    let words = command.iter().map(|&word| CString::new(word)).collect::<Result<Vec<_>, _>>()?;
    let program = words.first().context("no command")?;
    let Err(errno) = execvp(program, &words);
    Err(errno).with_context(|| format!("exec {}", command[0]))
}

fn lay_key() -> nix::Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_int = 1;
    const SESSION: libc::c_int = -3;
    let value = c"secret";
    // SAFETY: a null pointer asks for an anonymous keyring; the strings outlive the calls.
    unsafe {
        Errno::result(libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<u8>(),
        ))?;
        let key = libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            KEY.as_ptr(),
            value.as_ptr(),
            6,
            SESSION,
        );
        Errno::result(key).map(drop)
    }
}

/// Runs `command` with a new terminal as its controlling terminal and standard input. Its last
/// argument says which.
fn on_terminal(command: &[&str]) -> Result<()> {
    let terminal = openpty(None, None).context("openpty")?;
    let id = fstat(&terminal.slave).context("fstat")?;
    let word = format!("terminal={}:{}", id.st_dev, id.st_ino);
    // SAFETY: this process has one thread.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            drop(terminal.master);
            take(terminal.slave)?;
            careless(&[command, &[word.as_str()]].concat())
        }
        ForkResult::Parent { child } => {
            drop(terminal.slave);
            let mut master = std::fs::File::from(terminal.master);
            let _ = io::copy(&mut master, &mut io::sink()); // EIO when nobody has it open any more
            let status = waitpid(child, None).context("waitpid")?;
            ensure!(status == WaitStatus::Exited(child, 0), "{status:?}");
            Ok(())
        }
    }
}

fn take(terminal: OwnedFd) -> Result<()> {
    setsid().context("setsid")?;
    // SAFETY: takes an integer.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) })
        .context("TIOCSCTTY")?;
    dup2_stdin(&terminal).context("dup2")
}

/// Waits for a process that runs the host's program, and holds on to its file: it can be written to
/// as soon as no process executes it (execve(2), ETXTBSY).
fn ambush(program: &str) -> Result<()> {
    let id = program.strip_prefix("program=").context("program=DEVICE:INODE")?;
    println!("ready");
    let end = Instant::now() + Duration::from_secs(u64::from(LIMIT));
    while Instant::now() < end {
        for process in std::fs::read_dir("/proc").context("/proc")?.flatten() {
            let Ok(file) = File::open(process.path().join("exe")) else { continue };
            let found = file.metadata().context("stat")?;
            if format!("{}:{}", found.dev(), found.ino()) == id {
                let pid = process.file_name().to_string_lossy().parse().context("a number")?;
                println!("ambush: {}", take_over(Pid::from_raw(pid), &file));
                return Ok(());
            }
        }
    }
    println!("ambush: no process executed the host's program");
    Ok(())
}

/// Ends the process, and opens its file for writing; writes nothing.
fn take_over(pid: Pid, file: &File) -> String {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let end = Instant::now() + Duration::from_secs(1);
    let _ = kill(pid, Signal::SIGKILL);
    loop {
        match File::options().write(true).open(&path) {
            Ok(_) => return "open for writing".into(),
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) && Instant::now() < end => {}
            Err(error) => return error.to_string(),
        }
    }
}

/// What whoever owns a container's user namespace may do to its mount table from outside.
fn fake_proc(victim: &str) -> Result<()> {
    let tmpfs = Some("tmpfs");
    mount(tmpfs, "/proc", tmpfs, MsFlags::empty(), None::<&str>).context("mount")?;
    std::fs::create_dir_all("/proc/self/fd").context("mkdir")?;
    for number in 1..3 {
        symlink(victim, format!("/proc/self/fd/{number}")).context("symlink")?;
    }
    Ok(())
}
