//! The keys for ssh: made once, beside the trees, so that ssh knows a new tree by its old key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use common::{Failure, printable};

use crate::{find, place};

/// The keys of both sides.
pub struct Keys {
    /// What goes into authorized_keys.
    pub client_public: PathBuf,
    /// The server's private key, in the format of the server.
    pub host: PathBuf,
}

/// How a key pair is made; the formats differ.
#[derive(Clone, Copy)]
pub enum Maker {
    OpenSsh,
    Dropbear,
}

/// Returns the keys, which are made if they do not exist: the server's by `server`, the client's
/// for the usual `ssh`.
pub fn keys(server: Maker) -> Result<Keys> {
    let dir = place::private_base()?.join("ssh");
    place::create_private(&dir)?;
    let _lock = place::lock(&dir.join(".lock"))?;
    let client = dir.join("id_ed25519");
    let host = dir.join(match server {
        Maker::OpenSsh => "ssh_host_ed25519_key",
        Maker::Dropbear => "dropbear_ed25519_host_key",
    });
    ensure(
        &client,
        if find::tool("ssh-keygen").is_some() { Maker::OpenSsh } else { Maker::Dropbear },
    )?;
    ensure(&host, server)?;
    Ok(Keys { client_public: public(&client), host })
}

/// Makes a pair unless it exists. The private key gets to its place last: then its public key is
/// there as well.
fn ensure(key: &Path, maker: Maker) -> Result<()> {
    if key.is_file() && public(key).is_file() {
        return Ok(());
    }
    let draft = key.with_extension("draft");
    for stale in [&draft, &public(&draft)] {
        let _ = fs::remove_file(stale);
    }
    match maker {
        Maker::OpenSsh => openssh_pair(&draft)?,
        Maker::Dropbear => dropbear_pair(&draft)?,
    }
    rename(&public(&draft), &public(key))?;
    rename(&draft, key)
}

fn openssh_pair(key: &Path) -> Result<()> {
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "container-course", "-f"], key)?;
    Ok(())
}

/// dropbearkey prints the public key among other lines.
fn dropbear_pair(key: &Path) -> Result<()> {
    let output = run("dropbearkey", &["-t", "ed25519", "-f"], key)?;
    let line = output
        .lines()
        .find(|line| line.starts_with("ssh-"))
        .context("dropbearkey printed no public key")?;
    fs::write(public(key), format!("{line}\n"))
        .with_context(|| format!("write {}", printable(&public(key))))
}

fn run(program: &str, args: &[&str], file: &Path) -> Result<String> {
    let Some(path) = find::tool(program) else {
        return Err(Failure::new(format!("there is no {program} on this machine")).into());
    };
    let done = Command::new(path)
        .args(args)
        .arg(file)
        .output()
        .with_context(|| format!("run {program}"))?;
    if !done.status.success() {
        let stderr = String::from_utf8_lossy(&done.stderr);
        return Err(Failure::new(format!(
            "{program} made no key in {}: {}",
            printable(&file),
            printable(stderr.trim())
        ))
        .into());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("rename {} to {}", printable(from), printable(to)))
}

fn public(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}
