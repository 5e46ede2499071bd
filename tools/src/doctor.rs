//! What this machine allows, chapter by chapter. Whatever can be tried is tried, in children that
//! have namespaces of their own; nothing of the machine is changed.

mod cgroups;
mod confinement;
mod containers;
mod ids;
mod kernel;
mod programs;
mod report;
mod toolchain;
pub mod trial;

pub use report::{Finding, Part, Report, Verdict};

use nix::unistd::geteuid;

use trial::Trial;

/// The nine chapters, and what the container of each has of its own.
const CHAPTERS: [(&str, &str); 9] = [
    ("01 chroot", "another directory is its /"),
    ("02 pid", "process numbers of its own"),
    ("03 uts", "a host name of its own"),
    ("04 ipc", "message queues of its own"),
    ("05 user", "ids of its own"),
    ("06 mount", "a mount table of its own, a new /proc and /dev"),
    ("07 net", "a network of its own, and a cable to the host"),
    ("08 cgroup", "a view of its own of the control groups"),
    ("09 full", "all of this, with fewer rights"),
];

/// From this chapter on an ordinary user can do without root.
const FIRST_FOR_ALL: usize = 5;

/// Examines this machine. All trials run at the same time.
pub fn examine() -> Report {
    let root = geteuid().is_root();
    let toolchain = toolchain::ask();
    let first = if root { 1 } else { FIRST_FOR_ALL };
    let containers: Vec<_> =
        (first..=CHAPTERS.len()).map(|chapter| Trial::Chapter(chapter).start()).collect();
    let bridge = Trial::Bridge.start();
    let ids = Trial::Ids.start();
    let limits =
        cgroups::CONTROLLERS.map(|controller| (controller, Trial::Limit(controller).start()));

    let mut parts =
        vec![Part::new("this machine", [kernel::findings(), confinement::findings()].concat())];
    if !root {
        parts.push(Part::new("01 to 04", vec![confinement::sudo()]));
    }
    for ((name, has), container) in CHAPTERS[first - 1..].iter().zip(containers) {
        parts.push(Part::new(
            name,
            vec![container.finish().finding("a container", has, Verdict::Missing)],
        ));
    }
    let mut add = |chapter: &str, findings: Vec<Finding>| {
        let part =
            parts.iter_mut().find(|part| part.name == chapter).expect("a chapter for everybody");
        part.findings.extend(findings);
    };
    add("07 net", vec![containers::bridge(bridge)]);
    add("08 cgroup", cgroups::findings(limits));
    add("09 full", vec![ids::finding(ids), kernel::clocks()]);
    parts.push(Part::new("programs", [toolchain.findings(), programs::findings()].concat()));
    Report::new(parts)
}
