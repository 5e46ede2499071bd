//! The image that was chosen: its configuration, and its layers.

use std::path::PathBuf;

use anyhow::{Context, Result};
use common::printable;
use oci_spec::image::ImageConfiguration;

use crate::broken;
use crate::digest::Digest;
use crate::platform::Platform;

/// An image whose configuration has been checked; the layers are checked while they are unpacked.
#[derive(Debug)]
pub struct Image {
    /// The configuration, as it is in the image.
    pub config: Vec<u8>,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer: an archive in the image.
#[derive(Debug)]
pub struct Layer {
    /// The file of the image.
    pub file: PathBuf,
    /// The digest and the size of the file, where the format names them.
    pub blob: Option<(Digest, u64)>,
    /// The digest of the archive when it is decompressed: the layer's identity.
    pub diff_id: Digest,
}

/// More layers than any image has.
const MOST_LAYERS: usize = 499;

impl Image {
    /// Combines a configuration with the files of the layers.
    ///
    /// # Errors
    /// They do not belong together.
    pub fn new(config: Vec<u8>, files: Vec<(PathBuf, Option<(Digest, u64)>)>) -> Result<Image> {
        let parsed = parse(&config)?;
        let diff_ids = parsed.rootfs().diff_ids();
        if diff_ids.len() != files.len() {
            let (named, found) = (diff_ids.len(), files.len());
            let what = format!("the configuration names {named} layers, and the image has {found}");
            return Err(broken(what));
        }
        if files.is_empty() || files.len() > MOST_LAYERS {
            return Err(broken(format!(
                "an image has 1 to {MOST_LAYERS} layers, not {}",
                files.len()
            )));
        }
        let layer = |(diff_id, (file, blob)): (&String, _)| {
            Ok(Layer { file, blob, diff_id: diff_id.parse().context("diff id of a layer")? })
        };
        let layers = diff_ids.iter().zip(files).map(layer).collect::<Result<_>>()?;
        Ok(Image { config, layers })
    }

    /// What decides whether it must be unpacked again.
    pub fn describe(&self) -> String {
        let layers = self.layers.iter().map(|layer| format!("layer {}\n", layer.diff_id));
        format!("image {}\n{}", Digest::of(&self.config), layers.collect::<String>())
    }
}

/// The machine that an image is for.
pub fn platform(config: &[u8]) -> Result<Platform> {
    let config = parse(config)?;
    let (os, architecture) = (config.os().to_string(), config.architecture().to_string());
    Ok(Platform::new(os, architecture, config.variant().clone()))
}

fn parse(config: &[u8]) -> Result<ImageConfiguration> {
    json(config).context("configuration of the image")
}

/// Parses a file of an image.
///
/// # Errors
/// It is not what it should be, in words that a terminal may show.
pub fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| broken(printable(&error.to_string()).to_string()))
}
