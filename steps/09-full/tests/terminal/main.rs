//! What 09-full claims of the terminal and of signals, with terminals that play the user's.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

mod session;

use session::{Case, Session, code, holds, introduces};

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";

/// Whether `dev.tty.legacy_tiocsti` lets anybody type for another at all.
fn tiocsti() -> bool {
    fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").is_ok_and(|value| value.trim() == "1")
}

#[test]
fn nothing_of_the_users_terminal_is_inside() {
    introduces(|case| {
        let mut session = case.start(&["sh", "-c", "echo ready; exec sleep 30"]);
        assert!(session.shows("ready"));
        (0..3).all(|number| session.payloads(number) != session.terminal())
    });
    introduces(|case| {
        let mut session = case.start_without_input(&["sh", "-c", "echo ready; exec sleep 30"]);
        assert!(session.shows("ready"));
        (0..3).all(|number| session.payloads(number) != session.terminal())
    });
}

#[test]
fn the_terminal_has_its_name_inside_and_can_be_opened_by_it() {
    introduces(|case| case.run(&["tty"]) == ("/dev/pts/0\r\n".into(), 0));
    let everywhere = "for name in tty console pts/0; do echo $name > /dev/$name; done";
    holds(|case| case.run(&["sh", "-c", everywhere]).0 == "tty\r\nconsole\r\npts/0\r\n");
}

#[test]
fn nobody_inside_types_on_the_users_terminal() {
    if !tiocsti() {
        return eprintln!("skipped: dev.tty.legacy_tiocsti is off, and nobody can");
    }
    for start in [Case::start, Case::start_without_input] {
        introduces(|case| {
            let mut session = start(case, &["typist", "echo you have been had"]);
            session.end();
            session.typed_ahead() == 0
        });
    }
}

#[test]
fn without_a_terminal_the_container_does_not_get_at_the_users() {
    introduces(|case| {
        let mut session =
            Session::start(case.command(&["sh", "-c", "echo > /dev/tty"]), |command| {
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            });
        session.end() != 0
    });
}

#[test]
fn the_size_is_there_from_the_start_and_follows() {
    holds(|case| {
        let watch = "trap 'stty size; exit 5' WINCH; stty size; while :; do sleep 0.02; done";
        let mut session = case.start(&["sh", "-c", watch]);
        assert!(session.shows("24 80"));
        session.resize(33, 101);
        session.shows("33 101") && session.end() == 5
    });
}

#[test]
fn a_shell_inside_has_job_control() {
    holds(|case| {
        let mut session = case.start(&["bash", "--norc", "--noediting", "-i"]);
        session.press("sleep 100\n");
        assert!(session.runs("sleep"));
        session.press(CTRL_C);
        session.press("echo code=$?; sleep 100\n");
        assert!(session.shows("code=130") && session.runs("sleep"), "{}", session.shown);
        session.press(CTRL_Z);
        assert!(session.shows("Stopped"), "{}", session.shown);
        let shown = session.shown.matches("sleep 100").count();
        session.press("fg\n");
        assert!(
            session.until(|session| session.shown.matches("sleep 100").count() > shown),
            "{}",
            session.shown
        );
        session.press("\x1c"); // Ctrl-\
        session.press("exit 3\n");
        session.end() == 3
    });
}

#[test]
fn ctrl_c_ends_a_payload_that_is_no_shell() {
    holds(|case| {
        let mut session = case.start(&["sh", "-c", "echo ready; exec sleep 100"]);
        assert!(session.shows("ready"));
        session.press(CTRL_Z); // nobody inside could continue it: ignored
        session.press(CTRL_C);
        session.end() == 128 + libc::SIGINT
    });
}

#[test]
fn the_users_terminal_is_raw_meanwhile_and_afterwards_as_before() {
    introduces(|case| {
        let mut session = case.start(&["sh", "-c", "echo ready; read line"]);
        assert!(session.shows("ready"));
        let meanwhile = session.settings();
        session.press("\n");
        session.end();
        session.settings() == session.before && meanwhile != session.before
    });
    for end in ["exit 0", "kill -KILL $$", "exec no-such-program"] {
        holds(|case| {
            let mut session = case.start(&["sh", "-c", end]);
            session.end();
            session.settings() == session.before
        });
    }
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1] {
        holds(|case| {
            let mut session = case.start(&["sh", "-c", "echo ready; exec sleep 100"]);
            assert!(session.shows("ready"));
            session.signal(signal);
            session.end() == 128 + signal && session.settings() == session.before
        });
    }
}

#[test]
fn all_of_the_output_arrives() {
    holds(|case| {
        let mut session =
            case.start(&["sh", "-c", "head -c 1048576 /dev/zero | tr '\\0' x; echo last"]);
        sleep(Duration::from_millis(300)); // nobody reads yet
        session.end();
        session.shown.bytes().filter(|&byte| byte == b'x').count() == 1048576
            && session.shown.ends_with("last\r\n")
    });
    holds(|case| {
        let mut session = case.start(&["sh", "-c", "head -c 24000 /dev/zero | tr '\\0' x"]); // more than a terminal keeps
        sleep(Duration::from_millis(300));
        session.end();
        session.shown.len() == 24000
    });
    holds(|case| {
        (0..20).all(|_| case.run(&["echo", "last words"]) == ("last words\r\n".into(), 0))
    });
}

#[test]
fn a_terminal_that_stands_still_costs_nothing_and_can_be_left() {
    holds(|case| {
        let session = &mut case.start(&["yes"]);
        sleep(Duration::from_millis(500));
        let before = session.ticks();
        sleep(Duration::from_millis(500));
        assert!(session.ticks() - before < 5, "{} ticks", session.ticks() - before);
        session.signal(libc::SIGTERM); // ends the payload, and the rest of its output waits to be shown
        sleep(Duration::from_millis(200));
        session.signal(libc::SIGTERM);
        session.end_unread() == Some(128 + libc::SIGTERM)
    });
}

#[test]
fn a_terminal_that_hangs_up_ends_the_payload() {
    holds(|case| {
        let mut session = case.start(&["sh", "-c", "echo ready; exec sleep 100"]);
        assert!(session.shows("ready"));
        session.hang_up();
        session.end() == 128 + libc::SIGHUP
    });
}

#[test]
fn so_does_one_that_belongs_to_another_session() {
    holds(|case| {
        let words = ["sh", "-c", "echo ready; exec sleep 100"];
        let mut session = Session::start_elsewhere(case.command(&words), 0o666);
        assert!(session.shows("ready"));
        session.hang_up();
        session.end() == 128 + libc::SIGHUP
    });
}

#[test]
fn one_that_may_not_be_opened_again_serves_as_well() {
    holds(|case| {
        let mut session = Session::start_elsewhere(
            case.command(&["sh", "-c", "read word; echo $word; exit 5"]),
            0,
        );
        session.press("sesame\n");
        session.shows("sesame\r\nsesame") && session.end() == 5
    });
}

#[test]
fn a_payload_that_outlives_the_terminal_costs_nothing() {
    holds(|case| {
        let mut session = case.start(&["sh", "-c", "trap '' HUP; echo ready; exec sleep 100"]);
        assert!(session.shows("ready"));
        session.hang_up();
        sleep(Duration::from_millis(100));
        let before = session.ticks();
        sleep(Duration::from_millis(500));
        session.child.try_wait().unwrap().is_none() && session.ticks() - before < 5
    });
}

#[test]
fn the_launcher_itself_can_be_stopped_and_continued() {
    holds(|case| {
        let payload = "echo ready; sleep 0.5; stty size; read line; echo got $line; exit 4";
        // A shell with job control plays the user's.
        let job = r#""$@"; echo "stopped $?"; stty -a | grep -o -e '-*icanon'; fg; echo "ended $?"; exit 9"#;
        let session = &mut Session::start(case.shell(job, &["sh", "-c", payload]), |_| {});
        assert!(session.shows("ready"), "{}", session.shown);
        sleep(Duration::from_millis(50));
        let launcher = session.launcher();
        // SAFETY: numbers.
        assert_eq!(unsafe { libc::kill(launcher, libc::SIGTSTP) }, 0);
        assert!(session.shows("stopped 148") && session.shows("\nicanon"), "{}", session.shown);
        assert!(session.shows("24 80"), "{}", session.shown);
        session.press("words\n");
        assert!(session.shows("got words") && session.shows("ended 4"), "{}", session.shown);
        session.end() == 9
    });
}

#[test]
fn in_the_background_it_runs_without_the_keyboard() {
    holds(|case| {
        let job = r#""$@" & wait $!; echo "ended $?""#;
        let session =
            &mut Session::start(case.shell(job, &["echo", "from the background"]), |_| {});
        session.end() == 0
            && session.shown.contains("from the background")
            && session.shown.contains("ended 0")
    });
}

#[test]
fn pipes_are_passed_on_as_they_are() {
    holds(|case| {
        let mut random = vec![0; 300_000];
        fs::File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
        let mut child =
            case.command(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut input, bytes) = (child.stdin.take().unwrap(), random.clone());
        let writer = std::thread::spawn(move || input.write_all(&bytes));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        output.stdout == random
    });
    holds(|case| {
        let output = case.command(&["ls", "/dev/pts"]).stdin(Stdio::null()).output().unwrap();
        output.stdout == b"ptmx\n" // no terminal was made
    });
    holds(|case| {
        let mut session =
            Session::start(case.command(&["sh", "-c", "echo to the file; tty"]), |command| {
                command.stdout(Stdio::piped());
            });
        let mut file = String::new();
        session.child.stdout.take().unwrap().read_to_string(&mut file).unwrap();
        session.end();
        file == "to the file\n/dev/pts/0\n" && session.shown.is_empty()
    });
}

#[test]
fn a_reader_that_leaves_ends_the_writer() {
    holds(|case| {
        let mut child =
            case.command(&["yes"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 4]).unwrap();
        code(child.wait().unwrap()) == 128 + libc::SIGPIPE
    });
}

#[test]
fn closed_standard_files_do_no_harm() {
    holds(|case| {
        let mut closed = case.command(&["sh", "-c", "exit 7"]);
        session::close_standard_files(&mut closed);
        code(closed.status().unwrap()) == 7
    });
}

#[test]
fn signals_to_the_launcher_reach_the_payload() {
    for (name, number) in [
        ("TERM", libc::SIGTERM),
        ("INT", libc::SIGINT),
        ("HUP", libc::SIGHUP),
        ("USR1", libc::SIGUSR1),
    ] {
        let trap =
            format!("trap 'echo trapped; exit 7' {name}; echo ready; while :; do sleep 0.02; done");
        for start in [Case::start, Case::start_without_input] {
            introduces(|case| {
                let mut session = start(case, &["sh", "-c", &trap]);
                assert!(session.shows("ready"));
                session.signal(number);
                session.end() == 7 && session.shown.contains("trapped")
            });
        }
    }
}

#[test]
fn ctrl_c_comes_once_whatever_standard_input_is() {
    let count = "trap 'echo signal' INT; echo ready; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 0.02; done";
    for start in [Case::start, Case::start_without_input] {
        holds(|case| {
            let mut session = start(case, &["sh", "-c", count]);
            assert!(session.shows("ready"));
            session.press(CTRL_C);
            session.end();
            session.shown.matches("signal").count() == 1
        });
    }
}

#[test]
fn ctrl_c_reaches_all_of_the_foreground() {
    for start in [Case::start, Case::start_without_input] {
        holds(|case| {
            let mut session = start(case, &["sh", "-c", "sleep 100; echo after it"]);
            assert!(session.runs("sleep"));
            session.press(CTRL_C);
            session.end() == 128 + libc::SIGINT && !session.shown.contains("after it")
        });
    }
}

#[test]
fn a_signal_ends_the_launcher_at_every_moment_of_its_start() {
    for start in [Case::start, Case::start_without_input] {
        holds(|case| {
            (0..20).all(|moment| {
                let mut session = start(case, &["sleep", "100"]);
                sleep(Duration::from_micros(500 * moment));
                session.signal(libc::SIGTERM);
                session.end() == 128 + libc::SIGTERM && session.settings() == session.before
            })
        });
    }
}

#[test]
fn the_payload_starts_with_no_signal_blocked() {
    holds(|case| {
        case.run(&["grep", "SigBlk", "/proc/self/status"])
            .0
            .trim_end()
            .ends_with("\t0000000000000000")
    });
}
