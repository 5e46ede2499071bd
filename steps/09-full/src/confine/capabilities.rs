//! Capabilities: what root inside may still do. All five sets are the same, so that no program
//! gains or loses any.

use anyhow::{Context, Result};
use caps::{CapSet, Capability, CapsHashSet};

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Capability to keep besides the usual ones, such as NET_RAW, or ALL; repeatable. The system
    /// calls that it is for come with it. With SYS_ADMIN root inside can also take off the masks on
    /// /proc and /sys, and the read-only flag of mounts
    #[arg(long, value_name = "NAME", value_parser = capabilities)]
    cap_add: Vec<CapsHashSet>,

    /// Capability to drop, or ALL; repeatable. What is added comes after what is dropped
    #[arg(long, value_name = "NAME", value_parser = capabilities)]
    cap_drop: Vec<CapsHashSet>,
}

/// What is kept, and what for. All of it holds only over what the container's user namespace owns
/// (capabilities(7)).
const KEPT: [Capability; 10] = [
    Capability::CAP_CHOWN,            // package managers give files to their owners
    Capability::CAP_DAC_OVERRIDE,     // root reads and writes what its users own
    Capability::CAP_FOWNER,           // and changes its mode
    Capability::CAP_FSETID,           // without losing the set-group-ID bit
    Capability::CAP_KILL,             // root, process 1 above all, ends its users' processes
    Capability::CAP_NET_BIND_SERVICE, // a web server listens on port 80
    Capability::CAP_SETGID,           // su, login and servers take on a user's groups
    Capability::CAP_SETUID,           // and the user's id
    Capability::CAP_SETPCAP,          // and give up capabilities for good
    Capability::CAP_SYS_CHROOT, // sshd and others lock up the part of them that reads from the network
];

/// What the payload may do, and what it could ever get.
pub struct Sets {
    /// Effective, permitted, inheritable and ambient.
    pub held: CapsHashSet,
    /// The bounding set: more cannot come, not by a set-user-ID program and not by a file.
    pub bounding: CapsHashSet,
}

/// Gives up every other capability.
///
/// # Errors
/// EPERM for one that was asked for and that the launcher's own user namespace does not give.
pub fn limit(sets: &Sets) -> Result<()> {
    // The bounding set comes first: it takes CAP_SETPCAP, which may not be among those that stay.
    let present = caps::read(None, CapSet::Bounding).context("read the bounding set")?;
    for capability in present.difference(&sets.bounding) {
        caps::drop(None, CapSet::Bounding, *capability)
            .with_context(|| format!("drop {capability}"))?;
    }
    // None can be inheritable that is not permitted, nor ambient that is not both.
    caps::clear(None, CapSet::Ambient).context("clear the ambient set")?;
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &sets.held).with_context(|| format!("capset {set:?}"))?;
    }
    let raise = |capability: &Capability| caps::raise(None, CapSet::Ambient, *capability);
    sets.held.iter().try_for_each(raise).context("set the ambient set")
}

impl Options {
    /// Root inside holds all that is kept; another user only what was asked for.
    pub fn sets(&self, root: bool) -> Sets {
        let dropped: CapsHashSet = self.cap_drop.iter().flatten().copied().collect();
        let added: CapsHashSet = self.cap_add.iter().flatten().copied().collect();
        let usual = KEPT.into_iter().filter(|capability| !dropped.contains(capability));
        let bounding: CapsHashSet = usual.chain(added.iter().copied()).collect();
        Sets { held: if root { bounding.clone() } else { added }, bounding }
    }
}

/// The kernel's name with or without its CAP_, in any case.
fn capabilities(text: &str) -> Result<CapsHashSet, String> {
    let name = text.to_uppercase();
    if name == "ALL" {
        return Ok(caps::runtime::thread_all_supported());
    }
    let name = if name.starts_with("CAP_") { name } else { format!("CAP_{name}") };
    match name.parse() {
        Ok(capability) => Ok([capability].into()),
        Err(_) => Err("no such capability; capabilities(7) lists them".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(add: &[&str], drop: &[&str]) -> Options {
        let sets = |names: &[&str]| names.iter().map(|name| capabilities(name).unwrap()).collect();
        Options { cap_add: sets(add), cap_drop: sets(drop) }
    }

    #[test]
    fn names_are_taken_with_and_without_prefix() {
        assert_eq!(capabilities("net_raw"), capabilities("CAP_NET_RAW"));
        assert!(capabilities("NET_COOKED").is_err());
    }

    #[test]
    fn what_is_added_comes_after_what_is_dropped() {
        assert_eq!(options(&[], &[]).sets(true).held.len(), KEPT.len());
        assert!(options(&[], &["ALL"]).sets(true).bounding.is_empty());
        assert_eq!(options(&["KILL"], &["ALL"]).sets(true).bounding, [Capability::CAP_KILL].into());
    }

    #[test]
    fn a_user_other_than_root_holds_only_what_was_asked_for() {
        assert!(options(&[], &[]).sets(false).held.is_empty());
        assert_eq!(options(&["KILL"], &[]).sets(false).held, [Capability::CAP_KILL].into());
        assert_eq!(options(&[], &[]).sets(false).bounding.len(), KEPT.len());
    }
}
