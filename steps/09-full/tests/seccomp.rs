//! What chapter 09 claims of its system call filter, checked against the kernel: by number, and by
//! what still works.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use harness::{Claim, Identity, Launch, Step, chapter, holds, introduces};

/// Answered EPERM by the filter and otherwise without it: the arguments let nothing come of them.
const REFUSED: &[&str] = &[
    "bpf 99",
    "perf_event_open",
    "userfaultfd 0x7fff",
    "io_uring_setup",
    "io_uring_enter 0xffffff",
    "io_uring_register 0xffffff",
    "keyctl 0 0xfffffffd 0", // KEYCTL_GET_KEYRING_ID KEY_SPEC_SESSION_KEYRING
    "add_key",
    "request_key",
    "unshare 0x4000000",  // CLONE_NEWUTS
    "unshare 0x10000000", // CLONE_NEWUSER
    "clone 0x10000011",   // CLONE_NEWUSER | SIGCHLD
    "clone 0x40000011",   // CLONE_NEWNET | SIGCHLD
    "setns 999 0",
    "mount",
    "umount2",
    "pivot_root",
    "fsopen",
    "fsmount 999",
    "fspick 999",
    "open_tree 999",
    "move_mount 999 0 999",
    "mount_setattr 999",
    "open_by_handle_at 999",
    "pidfd_getfd 999",
    "process_madvise 999",
    "mbind",
    "set_mempolicy",
    "get_mempolicy",
    "migrate_pages 999999",
    "move_pages 999999",
    "reboot 0 0 0 0",
    "quotactl 0xffffffff",
    "quotactl_fd 999 0xffffffff",
    "settimeofday 1",
    "clock_settime 99",
    "sethostname 0 9999",
    "fanotify_mark 999 1 1",
    "lsm_set_self_attr 0 0 0 1",
    "socket 40 1 0", // AF_VSOCK
    "socket 38 5 0", // AF_ALG
    "socketpair 40 1 0 0",
    "personality 0x40000", // ADDR_NO_RANDOMIZE
    "ioctl 999 0x5412",    // TIOCSTI
    "ioctl 999 0x541c",    // TIOCLINUX
];

/// Refused, and not for an ordinary user's container even without the filter, or in no kernel of
/// every configuration.
const REFUSED_TWICE: &[&str] = &[
    "kexec_load 0 0 0 0xffffffff",
    "init_module",
    "finit_module 999",
    "delete_module",
    "swapon",
    "swapoff",
    "acct 1",
    "syslog 10",
    "vhangup",
    "fanotify_init 0xffff",
    "kcmp 1 1",
    "socket 17 3 0", // AF_PACKET
];

/// What the filter does not know, or hides so that programs do without it.
const UNKNOWN: &[&str] = &["clone3", "511", "1000"];

/// What ordinary programs do, and the answer to it.
const ALLOWED: &[(&str, &str)] = &[
    ("getpid", "OK"),
    ("clone 0x11", "OK"), // SIGCHLD: as fork
    ("socket 1 1 0", "OK"),
    ("socket 2 1 0", "OK"),
    ("socket 10 2 0", "OK"),
    ("socket 16 3 0", "OK"),
    ("personality 8", "OK"),
    ("personality 0xffffffff", "OK"),
    ("ioctl 999 0x5413", "EBADF"), // TIOCGWINSZ
    ("ptrace 16 999999", "ESRCH"), // PTRACE_ATTACH
];

/// Programs of many kinds: each ends with 0.
const PROGRAMS: &[&str] = &[
    "ps ax",
    "top -bn1",
    "ip addr",
    "seq 300000 | sort -R --parallel=2 -S 4M | sort -n | tail -1 | grep -qx 300000",
    "strace -o /dev/null true",
    "for i in $(seq 50); do (true &) ; done; wait",
    "mkfifo /tmp/fifo && { echo x > /tmp/fifo & cat /tmp/fifo; }",
    "echo >/dev/tcp/127.0.0.1/9 || true; timeout 1 sleep 0.1; nice -n 5 true; df; findmnt",
];

fn main() -> ExitCode {
    let abis =
        if cfg!(target_arch = "x86_64") { &["native", "i386", "x32"][..] } else { &["native"] };
    let mut claims =
        vec![status(), status_without_filter(), reached(), allowed(), programs(), threads()];
    claims.extend(demo());
    claims.extend(abis.iter().map(|abi| match *abi {
        "native" => introduces("dangerous calls answer EPERM", |step| refused(step, "native")),
        "i386" => introduces("so they do through i386's numbers", |step| refused(step, "i386")),
        _ => introduces("so they do through x32's numbers", |step| refused(step, "x32")),
    }));
    chapter("09-full", claims)
}

fn status() -> Claim {
    introduces("the payload is behind a filter and can gain no rights", |step| {
        let container = step.start(&["sleep", "30"])?;
        step.expect("Seccomp", container.payload.status("Seccomp")?).equals("2")?;
        step.expect("NoNewPrivs", container.payload.status("NoNewPrivs")?).equals("1")
    })
}

fn status_without_filter() -> Claim {
    introduces("with --seccomp off it can still gain no rights", |step| {
        let container = step.launch().option("--seccomp", "off").start(&["sleep", "30"])?;
        step.expect("Seccomp", container.payload.status("Seccomp")?).equals("0")?;
        step.expect("NoNewPrivs", container.payload.status("NoNewPrivs")?).equals("1")
    })
}

fn refused(step: &Step, abi: &str) -> Result<()> {
    let expect = |calls: &[&str], expected: &str| {
        let answers = try_syscalls(step, with_all_capabilities(step), abi, calls)?;
        calls
            .iter()
            .zip(answers)
            .try_for_each(|(call, answer)| step.expect(*call, answer).equals(expected))
    };
    expect(REFUSED, "EPERM")?;
    expect(REFUSED_TWICE, "EPERM")?;
    expect(UNKNOWN, "ENOSYS")
}

/// Otherwise it would not be the filter that refuses them.
fn reached() -> Claim {
    holds("with --seccomp off each of them is answered otherwise", |step| {
        let launch = with_all_capabilities(step).option("--seccomp", "off");
        for (call, answer) in REFUSED.iter().zip(try_syscalls(step, launch, "native", REFUSED)?) {
            step.expect(*call, answer).differs_from("EPERM")?;
        }
        Ok(())
    })
}

fn allowed() -> Claim {
    holds("what ordinary programs do is allowed, for 32-bit programs too", |step| {
        let (calls, expected): (Vec<_>, Vec<_>) = ALLOWED.iter().copied().unzip();
        let abis = if cfg!(target_arch = "x86_64") { &["native", "i386"][..] } else { &["native"] };
        for abi in abis {
            for ((call, expected), answer) in
                calls.iter().zip(&expected).zip(try_syscalls(step, step.launch(), abi, &calls)?)
            {
                step.expect(format!("{call}, {abi}"), answer).equals(*expected)?;
            }
        }
        Ok(())
    })
}

fn programs() -> Claim {
    holds("ordinary programs work", |step| {
        let rootfs = step.host().copy_of_rootfs()?;
        for program in PROGRAMS {
            let output = step.launch().rootfs(&rootfs).output(&["bash", "-c", program])?;
            step.expect(format!("exit code of {program}: {}", output.stderr), output.code())
                .equals(0)?;
        }
        Ok(())
    })
}

fn threads() -> Claim {
    holds("threads work", |step| {
        let rootfs = step.host().rootfs_with("cpu-hog")?;
        let output = step.launch().rootfs(&rootfs).output(&["cpu-hog", "4", "--seconds", "1"])?;
        step.expect("exit code", output.code()).equals(0)
    })
}

fn demo() -> Vec<Claim> {
    vec![
        holds("seccomp-demo filter ends with SIGSYS, also behind this filter", |step| {
            let rootfs = step.host().rootfs_with("seccomp-demo")?;
            let output = step.launch().rootfs(&rootfs).output(&["seccomp-demo", "filter"])?;
            step.expect("exit code", output.code()).equals(128 + libc::SIGSYS)
        }),
        holds("seccomp-demo strict ends with SIGKILL", |step| {
            let rootfs = step.host().rootfs_with("seccomp-demo")?;
            let launch = step.launch().rootfs(&rootfs).option("--seccomp", "off");
            step.expect("exit code", launch.output(&["seccomp-demo", "strict"])?.code())
                .equals(128 + libc::SIGKILL)
        }),
        holds("behind a filter there is no strict mode", |step| {
            let rootfs = step.host().rootfs_with("seccomp-demo")?;
            let output = step.launch().rootfs(&rootfs).attempt(&["seccomp-demo", "strict"])?;
            step.expect("exit code", output.code()).equals(125)
        })
        .only(Identity::User),
    ]
}

/// So that the answer is the filter's, and not for want of a capability.
fn with_all_capabilities(step: &Step) -> Launch<'_> {
    step.launch().option("--cap-add", "ALL")
}

/// What the kernel answers to these calls, in the order of the calls.
fn try_syscalls(step: &Step, launch: Launch<'_>, abi: &str, calls: &[&str]) -> Result<Vec<String>> {
    let rootfs = step.host().rootfs_with("try-syscalls")?;
    let output = launch.rootfs(&rootfs).output(&[&["try-syscalls", abi], calls].concat())?;
    let answers: Vec<_> = output.stdout.lines().map(str::to_owned).collect();
    ensure!(
        answers.len() == calls.len(),
        "{} answers to {} calls: {}",
        answers.len(),
        calls.len(),
        output.stderr
    );
    Ok(answers)
}
