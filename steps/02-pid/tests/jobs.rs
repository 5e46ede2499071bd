//! Job control, on a terminal: root starts containers from a shell, which the kernel then shows.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::spawn;
use std::time::Duration;

use harness::{processes_with_argument, wait_until};
use nix::pty::openpty;
use nix::unistd::{geteuid, setsid};

const PATIENCE: Duration = Duration::from_secs(10);

/// A shell that has a terminal of its own.
struct Session {
    shell: Child,
    keyboard: File,
}

impl Session {
    /// Starts a shell that runs `script`, in which `$0` and `$1` start a container. Returns nothing
    /// for an ordinary user, because chapter 02 needs root.
    fn start(script: &str, word: &str) -> Option<Session> {
        if !geteuid().is_root() {
            println!("skipped: a PID namespace without a user namespace is for root");
            return None;
        }
        let pty = openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut shell = Command::new("bash");
        shell.args(["--norc", "-c", script, env!("CARGO_BIN_EXE_02-pid")]);
        shell.arg(harness::rootfs().unwrap()).arg(word).stdin(end()).stdout(end()).stderr(end());
        // SAFETY: between fork and execve it only makes two system calls.
        unsafe {
            shell.pre_exec(|| {
                setsid()?;
                nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
                Ok(())
            })
        };
        let shell = shell.spawn().unwrap();
        let keyboard = File::from(pty.master);
        drain(keyboard.try_clone().unwrap().into());
        Some(Session { shell, keyboard })
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn end(mut self) -> Option<i32> {
        let mut status = None;
        let _ = wait_until("the end of the shell", PATIENCE, || {
            status = self.shell.try_wait()?;
            Ok(status.is_some())
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// A terminal that nobody reads would stand still.
fn drain(screen: OwnedFd) {
    spawn(move || File::from(screen).read_to_end(&mut Vec::new()));
}

/// Waits until the only process with this argument and this command is in this state (proc(5)).
fn reaches(word: &str, command: &str, state: &str) -> bool {
    let shows = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(&format!("({command}) {state} "))
    };
    let all = || processes_with_argument(word).into_iter().any(|process| shows(process.pid));
    wait_until("the state", PATIENCE, || Ok(all())).is_ok()
}

#[test]
fn a_payload_that_reads_from_the_background_stops_and_continues() {
    let word = format!("job-{}-1", std::process::id());
    let script = "set -m; \"$0\" \"$1\" sh -c 'read line; exit \"$line\"' \"$2\" & \
                  read go; fg";
    let Some(mut session) = Session::start(script, &word) else { return };
    assert!(reaches(&word, "sh", "T"), "the payload does not stop");
    assert!(reaches(&word, "02-pid", "T"), "the launcher does not stop");
    session.press("go\n");
    assert!(reaches(&word, "sh", "S"), "the payload does not continue");
    session.press("5\n");
    assert_eq!(session.end(), Some(5));
}

#[test]
fn ctrl_z_stops_the_payload_and_fg_continues_it() {
    let word = format!("job-{}-2", std::process::id());
    let script = "set -m; \"$0\" \"$1\" sh -c 'read line; exit \"$line\"' \"$2\"; read go; fg";
    let Some(mut session) = Session::start(script, &word) else { return };
    assert!(reaches(&word, "sh", "S"));
    session.press("\x1a");
    assert!(reaches(&word, "sh", "T"), "the payload does not stop");
    session.press("go\n");
    assert!(reaches(&word, "sh", "S"), "the payload does not continue");
    session.press("6\n");
    assert_eq!(session.end(), Some(6));
}

#[test]
fn a_script_gets_its_terminal_back_from_a_shell_inside() {
    let word = format!("job-{}-3", std::process::id());
    let script = format!("\"$0\" \"$1\" bash --norc -i -s {word}; read line; exit \"$line\"");
    let Some(mut session) = Session::start(&script, "") else { return };
    assert!(reaches(&word, "bash", "S"));
    session.press("exit 3\n");
    let gone = || Ok(processes_with_argument(&word).is_empty());
    wait_until("the end of the container", PATIENCE, gone).unwrap();
    session.press("7\n");
    assert_eq!(session.end(), Some(7));
}
