//! The kernel: its version and what came with which, the processor, Windows.

use std::env::consts::ARCH;
use std::fs;
use std::path::Path;

use super::report::{Finding, Verdict};

/// The version that the course is written for.
const WRITTEN_FOR: (u32, u32) = (5, 10);

/// What came when, and which step uses it.
const CAME: [((u32, u32), &str); 8] = [
    ((3, 8), "user namespaces (steps 05 to 09)"),
    ((4, 6), "cgroup namespaces (08)"),
    ((5, 3), "clone3 (02)"),
    ((5, 6), "openat2 (06) and time namespaces (09)"),
    ((5, 7), "CLONE_INTO_CGROUP (08)"),
    ((5, 11), "overlays in a container (09)"),
    ((5, 12), "idmapped mounts (09, as root)"),
    ((5, 19), "overlays of idmapped layers (09, as root)"),
];

/// Version, processor, and whether this is Windows' Linux.
pub fn findings() -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    vec![version(release), architecture(), windows(release)].into_iter().flatten().collect()
}

fn version(release: &str) -> Option<Finding> {
    let Some(version) = parse(release) else {
        let cure = "sudo mount -t proc proc /proc";
        return Some(Finding::bad(
            Verdict::Missing,
            "kernel",
            "/proc does not show its version",
            cure,
        ));
    };
    let lacking: Vec<_> = CAME.iter().filter(|(since, _)| *since > version).collect();
    let cure = "install a newer kernel; or run the course in one of its own: make vm";
    let list = lacking
        .iter()
        .map(|((major, minor), what)| format!("{what}: {major}.{minor}"))
        .collect::<Vec<_>>();
    let because = format!("Linux {release}; came later: {}", list.join(", "));
    Some(match lacking.is_empty() {
        true => Finding::ok("kernel", format!("Linux {release} has all that the steps use")),
        false if version >= WRITTEN_FOR => Finding::bad(Verdict::Limited, "kernel", because, cure),
        false => {
            let (major, minor) = WRITTEN_FOR;
            let because = format!("{because}. The course is tried on {major}.{minor} and newer");
            Finding::bad(Verdict::Limited, "kernel", because, cure)
        }
    })
}

/// `6.1.0-18-amd64` is (6, 1).
fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn architecture() -> Option<Finding> {
    Some(match ARCH {
        "x86_64" | "aarch64" => Finding::ok("processor", ARCH),
        _ => {
            let because = format!(
                "{ARCH}: the filter of system calls of step 09 is written for x86_64 and aarch64"
            );
            Finding::bad(
                Verdict::Missing,
                "processor",
                because,
                "make vm, with ARCH=x86_64 emulated by qemu",
            )
        }
    })
}

/// WSL1 has no Linux in it; WSL2 is a virtual machine with a kernel of Microsoft's.
fn windows(release: &str) -> Option<Finding> {
    if release.contains("-Microsoft") {
        let because =
            "WSL1: Windows answers the system calls, and has neither namespaces nor control groups";
        let cure = "in PowerShell: wsl --set-version DISTRIBUTION 2   (wsl --list shows the name)";
        return Some(Finding::bad(Verdict::Missing, "Windows", because, cure));
    }
    release
        .contains("microsoft")
        .then(|| Finding::ok("Windows", "WSL2, a virtual machine with a kernel of its own"))
}

/// The eighth namespace, which step 09 does without where there is none.
pub fn clocks() -> Finding {
    if Path::new("/proc/self/ns/time").exists() {
        return Finding::ok("clocks", "time namespaces");
    }
    let because = "this kernel has no time namespaces: the container's uptime is the machine's";
    Finding::bad(
        Verdict::Limited,
        "clocks",
        because,
        "a kernel from 5.6 on, built with CONFIG_TIME_NS: make vm",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(parse("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(parse("5.15.153.1-microsoft-standard-WSL2"), Some((5, 15)));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn an_old_kernel_is_told_what_it_lacks() {
        let finding = version("5.4.0-1-generic").unwrap();
        assert_eq!(finding.verdict, Verdict::Limited);
        assert!(finding.because.contains("openat2 (06)") && !finding.because.contains("clone3"));
        assert_eq!(version("6.12.0").unwrap().verdict, Verdict::Ok);
    }

    #[test]
    fn one_windows_is_not_the_other() {
        assert_eq!(windows("4.4.0-19041-Microsoft").unwrap().verdict, Verdict::Missing);
        assert_eq!(windows("5.15.153.1-microsoft-standard-WSL2").unwrap().verdict, Verdict::Ok);
        assert!(windows("6.1.0-18-amd64").is_none());
    }
}
