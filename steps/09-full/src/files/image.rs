//! An image that `rootfs image` has unpacked: layers, and what its maker wants to be run.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use common::Failure;
use serde::Deserialize;

use super::held::{self, Held};

/// An image.
pub struct Image {
    /// The directory that has the layers.
    pub store: PathBuf,
    /// Their names in `store`, topmost first.
    pub layers: Vec<String>,
    /// What the image says about its container. Its content is hostile.
    pub config: Config,
    _held: Held,
}

/// The part of the configuration that counts here (the image specification of OCI, config.md).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// NAME=VALUE
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// The program, and the first of its arguments.
    #[serde(deserialize_with = "or_default")]
    pub entrypoint: Vec<String>,
    /// The rest, unless the command line has it.
    #[serde(deserialize_with = "or_default")]
    pub cmd: Vec<String>,
    /// Where the program starts.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: PathBuf,
    /// `USER[:GROUP]`
    #[serde(deserialize_with = "or_default")]
    pub user: String,
}

#[derive(Default, Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "or_default")]
    config: Config,
}

/// What is null in the configuration of an image is as if it were missing.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// More is not read.
const LIMIT: u64 = 8 << 20;

/// How often an image may be replaced by a new one while it is opened.
const ATTEMPTS: u32 = 10;

impl Image {
    /// None where ROOTFS is a directory like every other.
    ///
    /// # Errors
    /// The image is incomplete.
    pub fn open(rootfs: &Path) -> Result<Option<Image>> {
        if !rootfs.join("layers").is_file() || !rootfs.join("store").is_dir() {
            return Ok(None);
        }
        for _ in 0..ATTEMPTS {
            let found = Image::read(rootfs)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let failure =
            Failure::new(format!("{}: a layer of the image is missing", rootfs.display()));
        Err(failure.hint("`rootfs image FILE` unpacks what is missing").into())
    }

    /// None where a layer is gone: another image may have taken this one's place.
    fn read(rootfs: &Path) -> Result<Option<Image>> {
        let layers: Vec<_> = read(&rootfs.join("layers"))?.lines().map(str::to_owned).collect();
        let what = || format!("{} is not an image that `rootfs image` made", rootfs.display());
        ensure!(!layers.is_empty() && layers.iter().all(|name| is_plain(name)), what());
        let store = rootfs.join("store");
        let Some(_held) = held::hold(&store, &layers)? else { return Ok(None) };
        let document: Document =
            serde_json::from_str(&read(&rootfs.join("config.json"))?).with_context(what)?;
        Ok(Some(Image { store, layers, config: document.config, _held }))
    }
}

impl Config {
    /// The words that are executed: `given` replaces the arguments, not the program that the image
    /// puts before them.
    pub fn command<T: From<String> + Clone>(&self, given: &[T]) -> Vec<T> {
        let words = |words: &[String]| words.iter().cloned().map(T::from).collect::<Vec<_>>();
        let arguments = if given.is_empty() { words(&self.cmd) } else { given.to_vec() };
        [words(&self.entrypoint), arguments].concat()
    }
}

/// A name that neither leads out of the store nor ends an option of mount(2).
fn is_plain(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(fits)
}

fn read(path: &Path) -> Result<String> {
    let what = || format!("read {}", path.display());
    let mut text = String::new();
    File::open(path)
        .with_context(what)?
        .take(LIMIT)
        .read_to_string(&mut text)
        .with_context(what)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
