//! The option `--with-ssh`: a server, its own key, and the key that it accepts.
//!
//! Start it inside with `dropbear -F -E -s -R -p 22`, or with `/usr/sbin/sshd -D -e`. An ordinary
//! user needs a port above 1023.

use std::path::Path;

use anyhow::Result;
use common::Failure;

use crate::plan::Plan;
use crate::ssh_keys::{Keys, Maker, keys};
use crate::{etc_files, find};

/// Plans the server that this machine has.
///
/// # Errors
/// There is no server; a key cannot be made.
pub fn add(plan: &mut Plan) -> Result<()> {
    let keys = match (find::tool("dropbear"), find::tool("sshd")) {
        (Some(dropbear), _) => dropbear_server(plan, &dropbear)?,
        (None, Some(sshd)) => openssh_server(plan, &sshd)?,
        (None, None) => {
            let failure = Failure::new("--with-ssh: there is no ssh server on this machine");
            return Err(failure.hint("install the package dropbear-bin").into());
        }
    };
    etc_files::accounts(plan);
    authorize(plan, &keys.client_public);
    Ok(())
}

fn dropbear_server(plan: &mut Plan, dropbear: &Path) -> Result<Keys> {
    let keys = keys(Maker::Dropbear)?;
    plan.program("usr/sbin/dropbear", dropbear);
    plan.dir("etc/dropbear", 0o755);
    plan.copy("etc/dropbear/dropbear_ed25519_host_key", 0o600, &keys.host);
    Ok(keys)
}

fn openssh_server(plan: &mut Plan, sshd: &Path) -> Result<Keys> {
    let keys = keys(Maker::OpenSsh)?;
    plan.program("usr/sbin/sshd", sshd);
    // Since 9.8 it starts further programs, one for each connection.
    for part in ["/usr/lib/openssh/sshd-session", "/usr/lib/openssh/sshd-auth"].map(Path::new) {
        if part.is_file() {
            plan.program(part.strip_prefix("/")?, part);
        }
    }
    plan.dir("run/sshd", 0o755);
    plan.copy("etc/ssh/ssh_host_ed25519_key", 0o600, &keys.host);
    plan.text("etc/ssh/sshd_config", 0o644, "UsePAM no\nPasswordAuthentication no\n");
    // No password matches `*`; an account with `!` would refuse keys as well.
    plan.text("etc/shadow", 0o600, "root:*:::::::\nsshd:*:::::::\n");
    Ok(keys)
}

/// Both servers refuse a key that another user could have put there.
fn authorize(plan: &mut Plan, key: &Path) {
    for home in etc_files::homes() {
        plan.dir(format!("{home}/.ssh"), 0o700);
        plan.copy(format!("{home}/.ssh/authorized_keys"), 0o600, key);
    }
}
