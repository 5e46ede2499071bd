//! What is written for step 09: see the head of `main.rs`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use common::{Operation, Tried, printable};
use rootfs::layers::Store;
use rootfs::manifest::{Manifest, Recipe};
use rootfs::place::{self, Place};
use rootfs::plan::Plan;
use rootfs::publish::publish;
use rootfs::unpack::{Job, SetIds, Whiteouts};
use rootfs::{fill, layers, own, owners, standard_dirs, tarball};

use crate::image::Image;
use crate::source::Source;
use crate::store;

/// Where an image is put. Made before the process enters its user namespace: there it would see
/// itself as root.
pub struct Target {
    base: PathBuf,
    name: String,
    owners: String,
}

impl Target {
    /// # Errors
    /// What mkdir(2) reports.
    pub fn new(name: &str) -> Result<Target> {
        let (base, name) = (place::private_base()?, name.to_owned());
        Ok(Target { base, name, owners: owners::describe() })
    }

    /// Unpacks the image as layers, and returns the directory that describes it.
    ///
    /// # Errors
    /// The image is damaged or hostile; what the kernel reports.
    pub fn layers(&self, source: &Source, image: &Image) -> Result<PathBuf> {
        let store = Store::open(&self.base, &self.owners)?;
        store.prune(&self.base)?;
        let place = self.place(".image")?;
        if place.manifest.exists() && !is_complete(&place.tree) {
            Manifest::mark(&place)?;
        }
        let done = publish(&place, &self.recipe("layers", image), |draft| {
            let names = store::unpack(&store, source, image)?;
            describe(draft, image, &store.path, &names)
        });
        let pruned = store.prune(&self.base);
        done.and(pruned).map(|()| place.tree)
    }

    /// Unpacks all layers into one tree, and returns it.
    ///
    /// # Errors
    /// The image is damaged or hostile; what the kernel reports.
    pub fn flatten(&self, source: &Source, image: &Image) -> Result<PathBuf> {
        let tree = self.place("")?;
        let mut plan = Plan::default();
        standard_dirs(&mut plan);
        own::add(&mut plan)?;
        let mut recipe = self.recipe("flat", image);
        let planned = plan.recipe();
        recipe.words += &planned.words;
        recipe.sources = planned.sources;
        publish(&tree, &recipe, |draft| {
            let mut job = Job::new(draft, Whiteouts::Apply, SetIds::Keep)?;
            for (number, layer) in (1..).zip(&image.layers) {
                let words = format!("layer {number} of {}", image.layers.len());
                let done = store::stream(source, layer, &words, &mut job);
                anyhow::Context::with_context(done, || words)?;
            }
            job.report();
            fill::fill(draft, &plan, SetIds::Keep)
        })?;
        let place = self.place(".image")?;
        publish(&place, &self.recipe("flat", image), |draft| {
            describe(draft, image, &self.base, std::slice::from_ref(&self.name))
        })?;
        layers::prune(&self.base)?;
        Ok(tree.tree)
    }

    fn place(&self, suffix: &str) -> Result<Place> {
        Place::new(None, &format!("{}{suffix}", self.name))
    }

    fn recipe(&self, form: &str, image: &Image) -> Recipe {
        let words = format!("{form} {}\nowners {}\n", image.describe(), self.owners);
        Recipe { words, sources: Vec::new() }
    }
}

/// Writes what step 09 reads.
fn describe(draft: &Path, image: &Image, store: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
    let store = match store.file_name() {
        Some(name) if store.parent() == draft.parent() => Path::new("..").join(name),
        _ => "..".into(),
    };
    fs::write(draft.join("config.json"), &image.config)
        .and_then(|()| fs::write(draft.join("layers"), lines))
        .and_then(|()| symlink(store, draft.join("store")))
        .tried(Operation::BuildTree, format_args!("write {}", printable(draft)))?;
    Ok(Vec::new())
}

/// Whether all layers of an image are there: somebody may have removed one.
fn is_complete(image: &Path) -> bool {
    let layers = fs::read_to_string(image.join("layers")).unwrap_or_default();
    layers.lines().all(|name| image.join("store").join(name).is_dir())
}

/// The name of an image, from that of its file: its characters have no meaning to mount(2), to a
/// shell, or to a terminal.
pub fn name(file: &Path) -> String {
    let real = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let name = tarball::name(&real);
    let name: String = name.chars().map(|char| if is_plain(char) { char } else { '_' }).collect();
    name.trim_end_matches(".image").chars().take(100).collect()
}

/// Parses the option `--name`.
///
/// # Errors
/// It would not be a directory of its own, or not be plain.
pub fn parse_name(name: &str) -> Result<String> {
    ensure!(name.chars().all(is_plain), "a name has letters, digits, and the characters . _ + -");
    ensure!(tarball::name(Path::new(name)) == name, "this name has another meaning");
    ensure!(name.len() <= 100 && !name.ends_with(".image"), "choose a shorter name");
    Ok(name.to_owned())
}

fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || "._+-".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_meaning_elsewhere() {
        assert_eq!(name(Path::new("/no/debian:12.tar.gz")), "debian_12");
        assert_eq!(name(Path::new("/no/a\nb,c\x1b[2J.tar")), "a_b_c__2J");
        assert_eq!(name(Path::new("/no/x.image")), "x");
        assert!(parse_name("web-1.2").is_ok());
        for wrong in ["", ".", "..", "a/b", "host", "layers", "a:b", "a\n", ".x", "x.tar"] {
            assert!(parse_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
