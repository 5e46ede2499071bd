//! `rootfs image`: unpacks an image, as from `docker save`, for the containers of the course.
//!
//! # Layout
//!
//! | | |
//! |---|---|
//! | `source` | the files of an image: in an archive, or in a directory |
//! | `digest` | checks every file against its digest |
//! | `formats` | which files belong to the image: two formats, several images, several platforms |
//! | `platform` | which of them runs on this machine |
//! | `image` | what is known of the image that was chosen |
//! | `store` | unpacks layers, each once |
//! | `published` | writes what step 09 reads |
//! | `progress` | a line on the terminal during long work |
//!
//! # What is written, and how step 09 reads it
//!
//! ```text
//! target/rootfs/layers/0123456789abcdef01234567/   one layer, by its diff id; several images share it
//! target/rootfs/NAME.image/config.json             the image's configuration, as it was in the image
//! target/rootfs/NAME.image/store -> ../layers      where the layers are
//! target/rootfs/NAME.image/layers                  their names in `store`, a line each, topmost first
//! ```
//!
//! - `config.json` follows the image specification of OCI: `.config.Env`, `.Entrypoint`, `.Cmd`,
//!   `.WorkingDir`, `.User`, `.ExposedPorts`. Its content comes from the image: it is hostile.
//! - The lines of `layers`, joined by `:`, are `lowerdir=` of an overlay whose launcher is in the
//!   directory `store`. A name has 24 characters, so that 127 layers, as many as docker allows, fit
//!   into the 4096 bytes of mount(2). A line is never empty and has no character that an option of
//!   mount would end at.
//! - The lowest layer has only the mount points /proc, /sys, /dev and /tmp, which an image may lack.
//! - Whiteouts are for an overlay with the option `userxattr`, and only for that: see
//!   [`rootfs::unpack`]. No process may write to a layer.
//! - Owners: root's layers have the numbers of the image, to be shifted by idmapped mounts of the
//!   layers. A user's layers (`store -> ../layers-…`) have subordinate ids, see [`rootfs::owners`].
//! - With `--flatten` the only line is `NAME`, and `store` leads to `target/rootfs`: a tree like
//!   every other, which all steps can use and may write to.
//! - A manifest `.NAME.image.manifest` beside it means that the image is complete.
//!
//! Older kernels: overlays of ordinary users need 5.11, idmapped layers 5.19. Where the filesystem
//! has no user attributes (tmpfs before 6.6), a layer with opaque directories is refused, and
//! `--flatten` is the way.

mod digest;
mod formats;
mod image;
mod platform;
mod progress;
mod published;
mod source;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::Failure;
use nix::sys::stat::{Mode, umask};
use rootfs::owners;

use formats::Wanted;
use platform::Platform;
use published::Target;
use source::Source;

/// Unpack an image from `docker save` or `podman save`, or in the OCI layout, and print its path
#[derive(Parser)]
#[command(name = "rootfs image", version)]
struct Args {
    /// Archive (plain, gz, xz or zst), or directory in the OCI layout
    file: PathBuf,

    /// Makes one plain tree of all layers, which every step can use
    #[arg(long)]
    flatten: bool,

    /// Name below target/rootfs [default: the name of FILE]
    #[arg(long, value_name = "NAME", value_parser = published::parse_name)]
    name: Option<String>,

    /// Which image, if the archive has several: its name and tag
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,

    /// Takes the image for this platform [default: this machine's], such as linux/arm64/v8
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
}

fn main() -> ExitCode {
    common::run(|args: Args| {
        // Other users than the builder run the container: a private umask must not lock them out.
        umask(Mode::from_bits_truncate(0o022));
        let name = args.name.clone().unwrap_or_else(|| published::name(&args.file));
        let target = Target::new(&name)?;
        owners::enter_namespace()?;
        let source = Source::open(&args.file)?;
        let wanted = Wanted { image: args.image.as_deref(), platform: args.platform.as_ref() };
        let image = formats::find(&source, &wanted)?;
        let path = match args.flatten {
            true => target.flatten(&source, &image)?,
            false => target.layers(&source, &image)?,
        };
        rootfs::print_path(&path)
    })
}

/// A file of the image that is not as the image says.
fn broken(what: impl Into<String>) -> anyhow::Error {
    Failure::new(what).hint("the image is damaged: fetch or save it again").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}
