//! Unpacks layers into the store, each once.

use std::collections::HashSet;
use std::fs;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use common::{Failure, Operation, Tried, printable};
use rootfs::layers::Store;
use rootfs::unpack::{Job, SetIds, Whiteouts, is_opaque};
use rootfs::{decode, remove};

use crate::digest::{Digest, Hashing};
use crate::image::{Image, Layer};
use crate::progress::Progress;
use crate::source::Source;

/// As many layers as docker allows.
const MOST: usize = 127;

/// Digits of the diff id that a layer's name has: enough that nobody finds another layer with the
/// same ones, and few enough that 127 names fit into the options of mount(2).
const DIGITS: usize = 24;

/// Unpacks what the store does not have yet. Returns the names of the layers, topmost first.
///
/// # Errors
/// A layer is damaged or hostile; what the kernel reports.
pub fn unpack(store: &Store, source: &Source, image: &Image) -> Result<Vec<String>> {
    refuse_too_many(image)?;
    let mut job = Summary::default();
    let mut names = vec![mount_points(store)?];
    for (number, layer) in (1..).zip(&image.layers) {
        let words = format!("layer {number} of {}", image.layers.len());
        let unpacked = add(store, &layer.diff_id, |draft| {
            let mut one = Job::new(draft, Whiteouts::Keep, SetIds::Keep)?;
            stream(source, layer, &words, &mut one)?;
            job.add(one);
            Ok(())
        });
        names.push(unpacked.with_context(|| words.clone())?);
    }
    job.report();
    names.reverse();
    cut_below_opaque(store, &mut names)?;
    keep_topmost(&mut names);
    Ok(names)
}

/// The names of all layers must fit into the options of mount(2).
fn refuse_too_many(image: &Image) -> Result<()> {
    let different = image.layers.iter().map(|layer| layer.diff_id.hex()).collect::<HashSet<_>>();
    if different.len() <= MOST {
        return Ok(());
    }
    let what = format!("the image has {} layers, and an overlay takes {MOST}", different.len());
    Err(Failure::new(what).hint("one tree of all layers: `make image FLAT=1 FILE=…`").into())
}

/// What every layer left out, in one place.
#[derive(Default)]
struct Summary(Option<Job>);

impl Summary {
    fn add(&mut self, job: Job) {
        match &mut self.0 {
            Some(all) => all.add(&job),
            none => *none = Some(job),
        }
    }

    fn report(&self) {
        self.0.iter().for_each(Job::report);
    }
}

/// Unpacks one layer, and checks it.
///
/// # Errors
/// It has another digest or size than the image says; it is hostile.
pub fn stream(source: &Source, layer: &Layer, words: &str, job: &mut Job) -> Result<()> {
    let (file, size) = source.stream(&layer.file)?;
    let (compressed, blob) = Hashing::new(Progress::new(file, words.to_owned(), size));
    let plain = decode::stream(BufReader::with_capacity(1 << 16, compressed))?;
    let (mut plain, diff) = Hashing::new(plain);
    let unpacked = job.unpack(&mut plain);
    // An archive that is cut off is damaged, whatever else went wrong because of it.
    if let (Some((_, named)), true) = (&layer.blob, unpacked.is_ok()) {
        ensure!(*named == size, "the layer has {size} bytes, and the image names {named}");
    }
    unpacked?;
    if let Some((digest, _)) = &layer.blob {
        ensure!(blob.count() == size, "{} bytes follow its end", size - blob.count());
        blob.check("the layer", digest)?;
    }
    diff.check("the decompressed layer", &layer.diff_id)
}

/// Returns the name of a layer in the store, which is filled unless it is there.
fn add(store: &Store, diff_id: &Digest, fill: impl FnOnce(&Path) -> Result<()>) -> Result<String> {
    let name = diff_id.hex()[..DIGITS].to_owned();
    let note = store.note(&name);
    let layer = store.path.join(&name);
    if layer.is_dir() {
        let known = fs::read_to_string(&note).unwrap_or_default();
        ensure!(known == diff_id.to_string(), "another layer has the same first digits");
        return Ok(name);
    }
    let draft = store.path.join(format!(".{name}.draft"));
    remove::remove(&draft)?;
    let done = create(&draft).and_then(|()| fill(&draft)).and_then(|()| {
        fs::write(&note, diff_id.to_string())
            .and_then(|()| fs::rename(&draft, &layer))
            .tried(Operation::BuildTree, format_args!("finish the layer {}", printable(&layer)))
    });
    if done.is_err() {
        let _ = remove::remove(&draft);
    }
    done.map(|()| name)
}

fn create(draft: &Path) -> Result<()> {
    remove::create_directory(draft, 0o755)
        .tried(Operation::BuildTree, format_args!("make directory {}", printable(draft)))
}

/// The lowest layer: the directories that a container mounts something on.
fn mount_points(store: &Store) -> Result<String> {
    let archive = archive_of_mount_points().context("make the lowest layer")?;
    add(store, &Digest::of(&archive), |draft| {
        Job::new(draft, Whiteouts::Keep, SetIds::Keep)?.unpack(&archive[..])
    })
}

fn archive_of_mount_points() -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode) in [("dev/", 0o755), ("proc/", 0o755), ("sys/", 0o755), ("tmp/", 0o1777)] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        archive.append_data(&mut header, name, std::io::empty())?;
    }
    archive.into_inner()
}

/// overlayfs does not look whether the root of a layer is opaque: what is below it is left out.
fn cut_below_opaque(store: &Store, names: &mut Vec<String>) -> Result<()> {
    for (index, name) in names.iter().enumerate() {
        let root = fs::File::open(store.path.join(name)).context("open a layer")?;
        if is_opaque(&root) {
            let lowest = names[names.len() - 1].clone();
            names.truncate(index + 1);
            names.push(lowest);
            break;
        }
    }
    Ok(())
}

/// overlayfs takes no directory twice (ELOOP). A layer that comes again hides and brings the same as
/// it did further down, so that the topmost is enough.
fn keep_topmost(names: &mut Vec<String>) {
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
}
