//! Capabilities: what root inside may still do. All five sets are the same, so that no program
//! gains or loses any.

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
};

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Capability to keep besides the usual ones, such as NET_RAW, or ALL; repeatable. The system
    /// calls that it is for come with it. With SYS_ADMIN root inside can also take off the masks on
    /// /proc and /sys, and the read-only flag of mounts
    #[arg(long, value_name = "NAME", value_parser = capabilities)]
    cap_add: Vec<CapabilitySet>,

    /// Capability to drop, or ALL; repeatable. What is added comes after what is dropped
    #[arg(long, value_name = "NAME", value_parser = capabilities)]
    cap_drop: Vec<CapabilitySet>,
}

/// What is kept, and what for. All of it holds only over what the container's user namespace owns
/// (capabilities(7)).
const KEPT: [CapabilitySet; 10] = [
    CapabilitySet::CHOWN,            // package managers give files to their owners
    CapabilitySet::DAC_OVERRIDE,     // root reads and writes what its users own
    CapabilitySet::FOWNER,           // and changes its mode
    CapabilitySet::FSETID,           // without losing the set-group-ID bit
    CapabilitySet::KILL,             // root, process 1 above all, ends its users' processes
    CapabilitySet::NET_BIND_SERVICE, // a web server listens on port 80
    CapabilitySet::SETGID,           // su, login and servers take on a user's groups
    CapabilitySet::SETUID,           // and the user's id
    CapabilitySet::SETPCAP,          // and give up capabilities for good
    CapabilitySet::SYS_CHROOT, // sshd and others lock up the part of them that reads from the network
];

/// Those that this program has a name for, and those to come.
const EVERY: CapabilitySet = CapabilitySet::from_bits_retain(u64::MAX);

/// What the payload may do, and what it could ever get.
pub struct Sets {
    /// Effective, permitted, inheritable and ambient.
    pub held: CapabilitySet,
    /// The bounding set: more cannot come, not by a set-user-ID program and not by a file.
    pub bounding: CapabilitySet,
}

/// Gives up every other capability.
///
/// # Errors
/// EPERM for one that was asked for and that the launcher's own user namespace does not give.
pub fn limit(sets: &Sets) -> Result<()> {
    // The bounding set comes first: it takes CAP_SETPCAP, which may not be among those that stay.
    limit_bounding_set(sets.bounding)?;
    // None can be inheritable that is not permitted, nor ambient that is not both.
    clear_ambient_capability_set().context("clear the ambient set")?;
    let held = sets.held;
    set_capabilities(None, CapabilitySets { effective: held, permitted: held, inheritable: held })
        .context("capset")?;
    each(held)
        .try_for_each(|capability| configure_capability_in_ambient_set(capability, true))
        .context("set the ambient set")
}

/// Drops what is not kept, also what a newer kernel has and this program has no name for.
fn limit_bounding_set(kept: CapabilitySet) -> Result<()> {
    for capability in each(EVERY).filter(|&capability| !kept.contains(capability)) {
        match remove_capability_from_bounding_set(capability) {
            Err(Errno::INVAL) => break, // this kernel has no more
            result => result.with_context(|| format!("drop {capability:?}"))?,
        }
    }
    Ok(())
}

/// Every capability of a set by itself, in the order of their numbers.
fn each(set: CapabilitySet) -> impl Iterator<Item = CapabilitySet> {
    let all = (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number));
    all.filter(move |&capability| set.contains(capability))
}

impl Options {
    /// Root inside holds all that is kept; another user only what was asked for.
    pub fn sets(&self, root: bool) -> Sets {
        let usual = KEPT.into_iter().collect::<CapabilitySet>();
        let dropped = self.cap_drop.iter().copied().collect();
        let added = self.cap_add.iter().copied().collect();
        let bounding = usual.difference(dropped).union(added);
        Sets { held: if root { bounding } else { added }, bounding }
    }
}

/// The kernel's name with or without its CAP_, in any case.
fn capabilities(text: &str) -> Result<CapabilitySet, String> {
    let name = text.to_uppercase();
    if name == "ALL" {
        let known = |capability: &CapabilitySet| capability_is_in_bounding_set(*capability).is_ok();
        return Ok(each(EVERY).take_while(known).collect());
    }
    CapabilitySet::from_name(name.strip_prefix("CAP_").unwrap_or(&name))
        .ok_or_else(|| "no such capability; capabilities(7) lists them".into())
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
    fn what_has_no_name_yet_is_a_capability_too() {
        let newest = CapabilitySet::from_bits_retain(1 << 63);
        assert!(each(EVERY).any(|capability| capability == newest));
    }

    #[test]
    fn what_is_added_comes_after_what_is_dropped() {
        assert_eq!(options(&[], &[]).sets(true).held.iter().count(), KEPT.len());
        assert!(options(&[], &["ALL"]).sets(true).bounding.is_empty());
        assert_eq!(options(&["KILL"], &["ALL"]).sets(true).bounding, CapabilitySet::KILL);
    }

    #[test]
    fn a_user_other_than_root_holds_only_what_was_asked_for() {
        assert!(options(&[], &[]).sets(false).held.is_empty());
        assert_eq!(options(&["KILL"], &[]).sets(false).held, CapabilitySet::KILL);
        assert_eq!(options(&[], &[]).sets(false).bounding.iter().count(), KEPT.len());
    }
}
