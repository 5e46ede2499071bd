//! UTS namespace: the container has its own host name and domain name.

use std::ffi::CString;

use anyhow::Result;
use common::{Operation, Tried};
use nix::errno::Errno;
use nix::unistd::sethostname;

/// The options that this chapter adds.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Host name inside the container, 1 to 64 bytes
    #[arg(long, value_name = "NAME", default_value = "container", value_parser = name)]
    hostname: String,

    /// NIS domain name inside the container, 1 to 64 bytes [default: the host's]
    #[arg(long, value_name = "NAME", value_parser = name)]
    domainname: Option<String>,
}

/// Sets the names of this UTS namespace. In the host's own it would rename the host.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN in the user namespace that owns this UTS namespace (sethostname(2)).
pub fn set_names(options: &Options) -> Result<()> {
    sethostname(&options.hostname)
        .tried(Operation::SetHostname, format_args!("sethostname {}", options.hostname))?;
    options.domainname.as_deref().map_or(Ok(()), setdomainname)
}

fn setdomainname(name: &str) -> Result<()> {
    let bytes = CString::new(name)?;
    // SAFETY: the length is that of the text, without its final NUL.
    let result = unsafe { libc::setdomainname(bytes.as_ptr(), bytes.as_bytes().len()) };
    Errno::result(result)
        .map(drop)
        .tried(Operation::SetHostname, format_args!("setdomainname {name}"))
}

/// Parses a name. The kernel keeps 64 bytes (`__NEW_UTS_LEN`, uname(2)); it would accept an empty
/// name, which is of no use.
fn name(text: &str) -> Result<String, String> {
    match text.len() {
        0 => Err("a name needs at least one byte".into()),
        1..=64 => Ok(text.to_owned()),
        length => Err(format!("it has {length} bytes; the kernel keeps 64")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_has_1_to_64_bytes() {
        assert!(super::name("").is_err());
        assert!(super::name(&"x".repeat(64)).is_ok());
        assert!(super::name(&"x".repeat(65)).unwrap_err().contains("65 bytes"));
    }
}
