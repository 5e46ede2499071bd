//! The container's name, held as the name of an abstract socket: it is there for all to see and
//! goes with the launcher.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use common::Failure;
use nix::unistd::getuid;

mod sockets;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Name by which `containers` shows it and `enter` finds it, once among yours [default:
    /// container-PID]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
}

/// What `containers` and `enter` find a launcher by.
pub(crate) struct Entry {
    pub name: String,
    /// Process id of the launcher.
    pub launcher: i32,
    /// User id of the socket's maker, as the kernel knows it.
    pub owner: u32,
}

/// The name while it is held.
pub struct Name(#[expect(dead_code, reason = "it is there to be open")] UnixDatagram);

/// Takes the container's name. Comes first: an abstract name is one of a network namespace
/// (unix(7)), and an ordinary user's launcher soon leaves the machine's.
///
/// # Errors
/// A container of the same user has that name.
pub fn take(options: &Options) -> Result<Name> {
    let name = options.name.clone().unwrap_or_else(|| format!("container-{}", process::id()));
    // Anybody may bind any name. With our number in it nobody can have taken it before us; that
    // ours counts and one that another user makes up does not, is decided by the socket's owner.
    let address = SocketAddr::from_abstract_name(format!("container/{name}/{}", process::id()))?;
    let socket =
        UnixDatagram::bind_addr(&address).with_context(|| format!("hold the name {name}"))?;
    options.name.as_deref().map_or(Ok(()), be_the_only)?;
    Ok(Name(socket))
}

/// Two that start at the same time see each other: the later number gives up, the earlier one waits
/// for that.
fn be_the_only(name: &str) -> Result<()> {
    let own = process::id() as i32;
    for attempt in 0..20 {
        let mut same = entries()?
            .into_iter()
            .filter(|entry| entry.name == name && entry.owner == getuid().as_raw());
        match same.find(|entry| entry.launcher != own) {
            None => return Ok(()),
            Some(other) if other.launcher < own || attempt == 19 => {
                let what = format!(
                    "--name {name}: a container of this name is running, started by {}",
                    other.launcher
                );
                return Err(Failure::new(what)
                    .hint(format!("`containers` lists it, `enter {name}` joins it"))
                    .into());
            }
            Some(_) => sleep(Duration::from_millis(5)),
        }
    }
    Ok(())
}

/// All names of containers that are held in this network namespace.
pub(crate) fn entries() -> Result<Vec<Entry>> {
    let entry = |(text, owner): (String, u32)| {
        let (name, launcher) = text.strip_prefix("container/")?.split_once('/')?;
        Some(Entry { name: name.to_owned(), launcher: launcher.parse().ok()?, owner })
    };
    Ok(sockets::names()?.into_iter().filter_map(entry).collect())
}

/// What a host name may consist of; with a letter first it is no process id.
fn name(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match text.as_bytes() {
        _ if text.strip_prefix("container-").is_some_and(|rest| rest.parse::<u32>().is_ok()) => {
            Err("so are those called that were given no name".into())
        }
        [first, rest @ ..]
            if first.is_ascii_alphabetic()
                && rest.len() < 63
                && rest.iter().all(|&byte| fits(byte)) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("a letter, then letters, digits, `-`, `_` or `.`, 63 at most".into()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_is_like_a_host_name_and_no_number() {
        for good in ["a", "web", "web-2.example_x", &"x".repeat(63)] {
            assert!(super::name(good).is_ok(), "{good}");
        }
        for bad in ["", "7", "-web", "a/b", "a b", "a\n", "ä", "container-7", &"x".repeat(64)] {
            assert!(super::name(bad).is_err(), "{bad}");
        }
    }
}
