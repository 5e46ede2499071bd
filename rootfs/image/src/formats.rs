//! Finds the image in an archive: in the layout of OCI (`index.json`), or as docker has saved images
//! for long (`manifest.json`). An archive may be both; then the layout of OCI has more digests.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Failure, printable};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;

use crate::broken;
use crate::digest::Digest;
use crate::image::{self, Image};
use crate::platform::Platform;
use crate::source::Source;

/// Which image the user asks for.
pub struct Wanted<'a> {
    /// Its name and tag.
    pub image: Option<&'a str>,
    pub platform: Option<&'a Platform>,
}

/// An image in the archive, and what it can be chosen by.
struct Candidate {
    names: Vec<String>,
    platform: Platform,
    content: Content,
}

enum Content {
    /// The manifest of an image in the layout of OCI.
    Oci(Box<ImageManifest>),
    /// A line of `manifest.json`.
    Docker(Saved),
}

/// # Errors
/// There is no image, none for the platform, or more than one.
pub fn find(source: &Source, wanted: &Wanted) -> Result<Image> {
    let mut candidates = candidates(source)?;
    if let Some(name) = wanted.image {
        let all = names(&candidates);
        candidates.retain(|candidate| candidate.names.iter().any(|own| own == name));
        if candidates.is_empty() {
            let what = format!("the archive has no image {}", printable(name));
            return Err(Failure::usage(what).hint(format!("it has: {all}")).into());
        }
    }
    let fitting = for_platform(candidates, wanted.platform)?;
    choose(fitting)?.load(source)
}

fn candidates(source: &Source) -> Result<Vec<Candidate>> {
    let (index, manifest) = (Path::new("index.json"), Path::new("manifest.json"));
    let mut found = Vec::new();
    let mut left = MOST_ENTRIES;
    if source.has(index) {
        let index: ImageIndex = image::json(&source.read(index)?).context("index.json")?;
        collect(source, &index, &[], &mut left, &mut found).context("index.json")?;
    } else if source.has(manifest) {
        let all: Vec<Saved> = image::json(&source.read(manifest)?).context("manifest.json")?;
        for saved in all {
            found.push(saved.candidate(source).context("manifest.json")?);
        }
    } else {
        let failure = Failure::new("this is not an image: it has no index.json, no manifest.json");
        let hint = "`rootfs tar FILE` unpacks the archive of a root filesystem";
        return Err(failure.hint(hint).into());
    }
    match found.is_empty() {
        true => Err(Failure::new("the archive contains no image").into()),
        false => Ok(found),
    }
}

/// More than the indexes of any archive have, all together. Ten that each name the next a thousand
/// times would lead to more images than can be looked at.
const MOST_ENTRIES: u32 = 1000;

/// An index may lead to others: one for each image, one for the platforms of an image.
fn collect(
    source: &Source,
    index: &ImageIndex,
    names: &[String],
    left: &mut u32,
    found: &mut Vec<Candidate>,
) -> Result<()> {
    for entry in index.manifests() {
        *left = left.checked_sub(1).ok_or_else(|| broken("its indexes have too many entries"))?;
        let names = [names, &names_of(entry)].concat();
        match entry.media_type() {
            kind if is_index(kind) => {
                let index = image::json(&read_blob(source, entry)?.1)?;
                collect(source, &index, &names, left, found)?;
            }
            kind if is_manifest(kind) => found.extend(oci_candidate(source, entry, names)?),
            _ => {}
        }
    }
    Ok(())
}

fn is_index(kind: &MediaType) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.list.v2+json";
    *kind == MediaType::ImageIndex || kind.to_string() == docker
}

fn is_manifest(kind: &MediaType) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    *kind == MediaType::ImageManifest || kind.to_string() == docker
}

fn names_of(entry: &Descriptor) -> Vec<String> {
    let keys = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    let notes = entry.annotations().as_ref();
    keys.iter().filter_map(|key| notes?.get(*key).cloned()).collect()
}

/// None for what is not an image: signatures and statements about the build are in the same place,
/// for the platform `unknown`. An archive may also lack the images of other platforms.
fn oci_candidate(
    source: &Source,
    entry: &Descriptor,
    names: Vec<String>,
) -> Result<Option<Candidate>> {
    let named = entry.platform().as_ref().map(|platform| {
        let (os, architecture) = (platform.os().to_string(), platform.architecture().to_string());
        Platform::new(os, architecture, platform.variant().clone())
    });
    let unknown = "unknown/unknown".parse().ok();
    if named == unknown || named.is_some() && !source.has(&blob_path(&digest(entry)?)) {
        return Ok(None);
    }
    let manifest: ImageManifest = image::json(&read_blob(source, entry)?.1)?;
    let platform = match named {
        Some(platform) => platform,
        None => image::platform(&read_blob(source, manifest.config())?.1)?,
    };
    Ok(Some(Candidate { names, platform, content: Content::Oci(Box::new(manifest)) }))
}

fn digest(entry: &Descriptor) -> Result<Digest> {
    entry.digest().as_ref().parse()
}

fn blob_path(digest: &Digest) -> PathBuf {
    Path::new("blobs/sha256").join(digest.hex())
}

/// Reads a file that an index or a manifest names, and checks it.
fn read_blob(source: &Source, entry: &Descriptor) -> Result<(Digest, Vec<u8>)> {
    let digest = digest(entry)?;
    let bytes = source.read(&blob_path(&digest))?;
    digest.check("a file of the image", &bytes)?;
    Ok((digest, bytes))
}

/// An image in `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: PathBuf,
    repo_tags: Option<Vec<String>>,
    layers: Vec<PathBuf>,
}

impl Saved {
    fn candidate(self, source: &Source) -> Result<Candidate> {
        let platform = image::platform(&self.read_config(source)?)?;
        let names = self.repo_tags.clone().unwrap_or_default();
        Ok(Candidate { names, platform, content: Content::Docker(self) })
    }

    /// The name of the file is its digest.
    fn read_config(&self, source: &Source) -> Result<Vec<u8>> {
        let bytes = source.read(&self.config)?;
        let name = self.config.file_name().unwrap_or_default().to_string_lossy();
        let digits = name.strip_suffix(".json").unwrap_or(&name);
        let digest: Digest = format!("sha256:{digits}").parse().context("configuration")?;
        digest.check("the configuration of the image", &bytes)?;
        Ok(bytes)
    }
}

impl Candidate {
    fn load(self, source: &Source) -> Result<Image> {
        match self.content {
            Content::Docker(saved) => {
                let layers = saved.layers.iter().map(|file| (file.clone(), None)).collect();
                Image::new(saved.read_config(source)?, layers)
            }
            Content::Oci(manifest) => {
                let layer = |entry: &Descriptor| {
                    let digest = digest(entry)?;
                    Ok((blob_path(&digest), Some((digest, entry.size()))))
                };
                let layers = manifest.layers().iter().map(layer).collect::<Result<_>>()?;
                Image::new(read_blob(source, manifest.config())?.1, layers)
            }
        }
    }

    fn is_same(&self, other: &Candidate) -> bool {
        match (&self.content, &other.content) {
            (Content::Oci(a), Content::Oci(b)) => a == b,
            (Content::Docker(a), Content::Docker(b)) => a.config == b.config,
            _ => false,
        }
    }
}

fn for_platform(candidates: Vec<Candidate>, wanted: Option<&Platform>) -> Result<Vec<Candidate>> {
    let platform = wanted.cloned().unwrap_or_else(Platform::of_this_machine);
    let mut all: Vec<String> = candidates.iter().map(|one| one.platform.to_string()).collect();
    all.sort();
    all.dedup();
    let fitting: Vec<_> =
        candidates.into_iter().filter(|one| one.platform.fits(&platform)).collect();
    if fitting.is_empty() {
        let what = format!("there is no image for {platform}, only for {}", all.join(", "));
        let hint = format!("`--platform {}` takes it all the same", all[0]);
        return Err(Failure::new(what).hint(hint).into());
    }
    Ok(fitting)
}

/// The only one, or the one image that has several names.
fn choose(mut fitting: Vec<Candidate>) -> Result<Candidate> {
    if fitting.iter().skip(1).all(|other| other.is_same(&fitting[0])) {
        return Ok(fitting.swap_remove(0));
    }
    let failure = Failure::usage("the archive has several images: choose one with --image");
    Err(failure.hint(format!("it has: {}", names(&fitting))).into())
}

fn names(candidates: &[Candidate]) -> String {
    let all = candidates.iter().flat_map(|candidate| &candidate.names);
    let all: Vec<String> = all.map(|name| printable(name).to_string()).collect();
    if all.is_empty() { "images without names".into() } else { all.join(", ") }
}
