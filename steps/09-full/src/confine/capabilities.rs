//! Capabilities: what root inside may still do. All five sets are the same, so that no program
//! gains or loses any.

use anyhow::{Context, Result};
use caps::{CapSet, Capability, CapsHashSet};

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Capability to keep besides the usual ones, such as NET_RAW, or ALL; repeatable
    #[arg(long, value_name = "NAME", value_parser = capabilities)]
    cap_add: Vec<CapsHashSet>,

    /// Capability to take away, or ALL; repeatable, and comes before what is added
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

/// Gives up every other capability, also those that a set-user-ID program or a file with
/// capabilities could bring.
///
/// # Errors
/// EPERM for one that was asked for and that the launcher's own user namespace does not give.
pub fn limit(options: &Options) -> Result<()> {
    keep(&options.kept())
}

/// Makes all five sets `kept`.
pub fn keep(kept: &CapsHashSet) -> Result<()> {
    // The bounding set comes first: it takes CAP_SETPCAP, which may not be among those that stay.
    for capability in
        caps::read(None, CapSet::Bounding).context("read the bounding set")?.difference(kept)
    {
        caps::drop(None, CapSet::Bounding, *capability)
            .with_context(|| format!("drop {capability}"))?;
    }
    // None can be inheritable that is not permitted, nor ambient that is not both.
    caps::clear(None, CapSet::Ambient).context("clear the ambient set")?;
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, kept).with_context(|| format!("capset {set:?}"))?;
    }
    let raise = |capability: &Capability| caps::raise(None, CapSet::Ambient, *capability);
    kept.iter().try_for_each(raise).context("set the ambient set")
}

impl Options {
    fn kept(&self) -> CapsHashSet {
        let dropped: CapsHashSet = self.cap_drop.iter().flatten().copied().collect();
        let usual = KEPT.into_iter().filter(|capability| !dropped.contains(capability));
        usual.chain(self.cap_add.iter().flatten().copied()).collect()
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
        assert_eq!(options(&[], &[]).kept().len(), KEPT.len());
        assert!(options(&[], &["ALL"]).kept().is_empty());
        assert_eq!(options(&["KILL"], &["ALL"]).kept(), [Capability::CAP_KILL].into());
    }
}
