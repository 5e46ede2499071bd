//! Settings: what the payload has instead of what it would inherit from the launcher.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::account::{Account, Identity};
use crate::files::Config;

/// The options that belong to this.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Environment variable for the payload; repeatable [default: the image's, PATH, HOME, TERM and
    /// nothing of yours]
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// Directory inside in which the payload starts [default: the image's, or /]
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,

    /// User inside that the payload runs as, by number or by a name that the image knows [default:
    /// the image's, or root]
    #[arg(long, value_name = "USER[:GROUP]")]
    user: Option<Account>,
}

/// What the payload has instead of what it would inherit.
#[derive(Debug, Default)]
pub struct Settings {
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub workdir: PathBuf,
    /// None for root.
    pub identity: Option<Identity>,
}

impl Options {
    /// Returns what was asked for, and for the rest what the image says. `open` opens the image's
    /// files.
    ///
    /// # Errors
    /// The image has no such user or group.
    pub fn settings(
        &self,
        image: &Config,
        open: impl Fn(&str) -> Result<OwnedFd>,
    ) -> Result<Settings> {
        let named = image.user.parse().ok();
        let account = self.user.clone().or(named);
        let identity = account.map(|account| account.find(open)).transpose()?;
        let workdir =
            self.workdir.clone().unwrap_or_else(|| Path::new("/").join(&image.working_dir));
        let of_image = image.env.iter().filter_map(|text| variable(text).ok());
        Ok(Settings { env: of_image.chain(self.env.clone()).collect(), workdir, identity })
    }
}

impl Settings {
    /// Whether the payload is root inside.
    pub fn is_root(&self) -> bool {
        self.identity.as_ref().is_none_or(|identity| identity.uid.is_root())
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("NAME=VALUE".into()),
    }
}
