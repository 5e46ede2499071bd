//! What the host's root may do.

use std::fs::{self, File};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{getgroups, setgroups};

use super::{Attack, Attempt, Decoys, Stop, attack, call, gained, nothing, proc, sys};

const USER: &str = "a user namespace in which root stands for an id that is not the host's root";

pub(super) const ATTACKS: &[Attack] = &[
    attack("root-outside", "", "is the host's root, whatever it is called inside", USER, |_| {
        proc()?;
        let map = fs::read_to_string("/proc/self/uid_map")?;
        let first: Vec<&str> = map.split_whitespace().take(2).collect();
        if first == ["0", "0"] {
            gained("id 0 inside is id 0 outside")
        } else {
            nothing(first.join(" is "))
        }
    }),
    attack(
        "drop-group",
        "CVE-2014-8989",
        "drops a group that files are denied to: setgroups(2)",
        "setgroups is denied where one id is mapped; where more are mapped, such a group is not among them",
        |_| {
            if getgroups()?.is_empty() {
                return nothing("there is none to drop");
            }
            setgroups(&[])?;
            gained("dropped")
        },
    ),
    attack("memory-device", "", "makes a device that is the machine's memory", USER, |_| {
        device(SFlag::S_IFCHR, 1, 1)
    }),
    attack("kernel-log-device", "", "makes the device of the kernel's log", USER, |_| {
        device(SFlag::S_IFCHR, 1, 11)
    }),
    attack("disk-device", "", "makes the device of a disk of the host", USER, disk),
    attack(
        "realtime",
        "",
        "runs before all other programs of the host: sched_setscheduler(2)",
        USER,
        |_| {
            let parameters = libc::sched_param { sched_priority: 1 };
            // SAFETY: the structure outlives the call.
            call(
                "SCHED_FIFO",
                unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) }.into(),
            )
        },
    ),
    attack("priority", "", "takes more than its share of the CPU: setpriority(2)", USER, |_| {
        // SAFETY: takes integers.
        call("-20", unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) }.into())
    }),
    attack(
        "core-pattern",
        "",
        "opens kernel/core_pattern for writing: a program for the host to run",
        USER,
        |_| setting("/proc/sys/kernel/core_pattern"),
    ),
    attack(
        "sysrq",
        "",
        "opens /proc/sysrq-trigger for writing: it could restart the machine",
        USER,
        |_| setting("/proc/sysrq-trigger"),
    ),
    attack(
        "interrupt-affinity",
        "",
        "opens /proc/irq/default_smp_affinity for writing",
        USER,
        |_| setting("/proc/irq/default_smp_affinity"),
    ),
    attack("panic-on-oom", "", "opens vm/panic_on_oom for writing", USER, |_| {
        setting("/proc/sys/vm/panic_on_oom")
    }),
    attack(
        "sysfs",
        "",
        "opens a setting of the kernel in /sys for writing",
        "a user namespace, and a read-only /sys",
        |_| {
            sys()?;
            setting("/sys/kernel/rcu_expedited")
        },
    ),
];

/// Opens without writing.
fn setting(path: &str) -> Attempt {
    proc()?;
    File::options().write(true).open(path)?;
    gained("open for writing")
}

/// Makes, opens and removes a device; reads nothing from it.
fn device(kind: SFlag, major: u64, minor: u64) -> Attempt {
    let path = format!("/tmp/device-{}", std::process::id());
    mknod(Path::new(&path), kind, Mode::S_IRUSR, makedev(major, minor))?;
    let opened = File::open(&path);
    fs::remove_file(&path)?;
    opened?;
    gained("made and opened")
}

fn disk(_: &Decoys) -> Attempt {
    proc()?;
    let partitions = fs::read_to_string("/proc/partitions")?;
    let numbers = partitions.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let (major, minor) = numbers.ok_or_else(|| Stop::Untried("there is no disk here".into()))?;
    match device(SFlag::S_IFBLK, major, minor) {
        Err(Stop::Refused(Errno::ENOMEDIUM | Errno::ENXIO)) => {
            Err(Stop::Untried("no disk answers".into()))
        }
        result => result,
    }
}
