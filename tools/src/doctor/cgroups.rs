//! Control groups: which hierarchy has which controller, and whether this user may make a group
//! there. Step 08 would make one, so the doctor only looks, and asks the step when it sees that
//! none can be made.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, geteuid};
use procfs::process::{MountInfo, Process};

use super::report::{Finding, Verdict};
use super::steps::Steps;

/// The controllers of chapter 08, and an option of the step that needs each.
const CONTROLLERS: [(&str, [&str; 2]); 3] =
    [("cpu", ["--cpus", "0.5"]), ("memory", ["--memory", "64M"]), ("pids", ["--pids", "20"])];

/// Where a group with one controller would be made.
struct Place {
    v2: bool,
    /// None where no directory would do.
    directory: Option<PathBuf>,
}

/// The layout, and one line for all controllers with the same verdict.
pub fn findings(steps: &Steps) -> Vec<Finding> {
    let places = CONTROLLERS.map(|(controller, option)| (controller, option, find(controller)));
    let mut limits: Vec<Finding> = Vec::new();
    for (controller, option, place) in &places {
        let finding = limit(steps, controller, option, place.as_ref());
        let same =
            |other: &&mut Finding| other.verdict == finding.verdict && other.cure == finding.cure;
        match limits.iter_mut().find(same) {
            Some(other) => other.join(finding),
            None => limits.push(finding),
        }
    }
    let of = |v2: bool| {
        let has = |place: &Option<Place>| place.as_ref().is_some_and(|place| place.v2 == v2);
        let names = places.iter().filter(|(.., place)| has(place)).map(|(name, ..)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    layout(&of(false), &of(true)).into_iter().chain(limits).collect()
}

/// Each controller is in one of the two interfaces.
fn layout(v1: &str, v2: &str) -> Option<Finding> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let because = match (v1, v2) {
        ("", "") => return None,
        ("", v2) => format!("{v2} on cgroup v2"),
        (v1, "") if mounts.contains(" - cgroup2 ") => {
            format!("{v1} on cgroup v1 (hybrid: v2 is mounted, too)")
        }
        (v1, "") => format!("{v1} on cgroup v1"),
        (v1, v2) => format!("{v1} on cgroup v1; {v2} on cgroup v2"),
    };
    Some(Finding::ok("layout", because))
}

/// A controller that is bound to a v1 hierarchy is not in v2 (cgroups(7)).
fn find(controller: &str) -> Option<Place> {
    let process = Process::myself().ok()?;
    let (groups, mounts) = (process.cgroups().ok()?, process.mountinfo().ok()?);
    let v1 = groups.0.iter().find(|group| group.controllers.iter().any(|it| it == controller));
    let group = v1.or_else(|| groups.0.iter().find(|group| group.hierarchy == 0))?;
    let shows = |mount: &&MountInfo| match v1 {
        Some(_) => mount.fs_type == "cgroup" && mount.super_options.contains_key(controller),
        None => mount.fs_type == "cgroup2",
    };
    let mount = mounts.iter().find(shows)?;
    // Inside another container the mount may begin further down in the tree.
    let path = &group.pathname;
    let below = path.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or(path);
    let own = mount.mount_point.join(below.trim_start_matches('/'));
    let directory = match v1 {
        Some(_) => Some(own).filter(|dir| writable(dir)),
        None => above(&own, &mount.mount_point, controller),
    };
    Some(Place { v2: v1.is_none(), directory })
}

/// On v2 a group with processes can have no child with controllers, so one further up is taken.
fn above(own: &Path, top: &Path, controller: &str) -> Option<PathBuf> {
    let read = |dir: &Path, file| fs::read_to_string(dir.join(file)).unwrap_or_default();
    let fits = |dir: &&Path| {
        let root = !dir.join("cgroup.type").exists();
        read(dir, "cgroup.controllers").split_whitespace().any(|name| name == controller)
            && (root || read(dir, "cgroup.procs").is_empty())
            && writable(dir)
            && writable(&dir.join("cgroup.procs"))
            && writable(&dir.join("cgroup.subtree_control"))
    };
    let mut groups = own.ancestors().take_while(|dir| dir.starts_with(top));
    groups.find(fits).map(Path::to_owned)
}

fn writable(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

fn limit(steps: &Steps, controller: &str, option: &[&str], place: Option<&Place>) -> Finding {
    match place {
        Some(Place { directory: Some(dir), .. }) => Finding::ok(
            controller,
            format!("below {}", dir.display().to_string().trim_end_matches('/')),
        ),
        Some(place) if !geteuid().is_root() => {
            let because = "step 08 runs without limits; for one it needs a part of the cgroup tree \
                           that belongs to you";
            Finding::bad(Verdict::Limited, controller, because, cure(controller, place.v2))
        }
        _ => {
            let outcome = steps.start(8, option).finish();
            outcome.finding(controller, "step 08 sets this limit", Verdict::Missing)
        }
    }
}

/// systemd delegates parts of v2; everywhere else limits are root's business.
fn cure(controller: &str, v2: bool) -> String {
    let root = "sudo target/debug/08-cgroup --cpus 0.8 target/rootfs/host cpu-hog 2";
    if !v2 || !Path::new("/run/systemd/system").is_dir() {
        return root.into();
    }
    let run = "systemd-run --user --scope -p Delegate=yes make step-08 ARGS='--pids 20'";
    if delegated(controller) {
        return format!("{run}\n{root}");
    }
    format!(
        "sudo mkdir -p /etc/systemd/system/user@.service.d\n\
         printf '[Service]\\nDelegate=cpu memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf\n\
         sudo systemctl daemon-reload   and log in again; then: {run}\n{root}"
    )
}

/// Whether the user's own service manager was given this controller.
fn delegated(controller: &str) -> bool {
    let uid = geteuid();
    let file =
        format!("/sys/fs/cgroup/user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers");
    fs::read_to_string(file)
        .is_ok_and(|names| names.split_whitespace().any(|name| name == controller))
}
