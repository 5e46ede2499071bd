//! Images made by hand, and a directory that stands for `target`.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub const ARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// A `target` directory with the program in it, which goes with the test.
pub struct Lab {
    dir: TempDir,
}

impl Lab {
    pub fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("debug")).unwrap();
        // Not by this process: another test's child would hold the file open for writing while it
        // is to be executed.
        let program = env!("CARGO_BIN_EXE_rootfs-image");
        let copied = Command::new("cp").arg(program).arg(dir.path().join("debug")).status();
        assert!(copied.unwrap().success());
        Lab { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Everything in the directory belongs to this user.
    pub fn give_to(&self, uid: u32) {
        let owner = format!("{uid}:{uid}");
        let done = Command::new("chown").args(["-R", &owner]).arg(self.dir.path()).status();
        assert!(done.unwrap().success());
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.path("debug/rootfs-image"));
        command.args(args).current_dir(self.dir.path());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Unpacks, and returns the path that is printed.
    pub fn unpack(&self, args: &[&str]) -> PathBuf {
        path(&self.run(args))
    }

    /// Is refused in words, and leaves nothing. Returns the words.
    pub fn refused(&self, args: &[&str]) -> String {
        let done = self.run(args);
        let words = stderr(&done);
        assert!(matches!(done.status.code(), Some(2 | 125)), "{words}");
        assert!(words.contains("Error: ") && !words.contains("panicked"), "{words}");
        assert_eq!(self.left(), [""; 0], "{words}");
        words
    }

    /// Trees, drafts and layers, without locks and manifests.
    pub fn left(&self) -> Vec<String> {
        let mut all = Vec::new();
        for name in self.names("") {
            match name.starts_with("layers") {
                true => all.extend(self.names(&name).iter().map(|below| format!("{name}/{below}"))),
                false => all.push(name),
            }
        }
        all
    }

    fn names(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path("rootfs").join(below)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let beside = |name: &String| name.ends_with(".lock") || name.ends_with(".manifest");
        let mut names: Vec<String> = names.filter(|name| !beside(name)).collect();
        names.sort();
        names
    }
}

pub fn path(done: &Output) -> PathBuf {
    assert!(done.status.success(), "{}", stderr(done));
    let words = String::from_utf8(done.stdout.clone()).unwrap();
    assert_eq!(words.lines().count(), 1);
    PathBuf::from(words.trim_end())
}

pub fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// Past the capture of the test runner.
pub fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// Runs a shell script, whose `$1` is a path, in a mount namespace of its own.
pub fn with_mounts(script: &str, path: &Path) -> Output {
    let flags = if nix::unistd::geteuid().is_root() { "-m" } else { "-Urm" };
    let script = format!("mount --make-rprivate / && {script}");
    let mut command = Command::new("unshare");
    command.args([flags, "sh", "-ec", &script, "sh"]).arg(path).stdin(Stdio::null());
    command.output().unwrap()
}

// ---- archives ----

/// One entry of an archive: any name, any kind.
pub struct Entry {
    header: tar::Header,
    content: Vec<u8>,
}

pub fn entry(name: impl AsRef<[u8]>, kind: u8, target: &str, mode: u32) -> Entry {
    let mut header = tar::Header::new_ustar();
    let old = header.as_old_mut();
    old.name[..name.as_ref().len()].copy_from_slice(name.as_ref());
    old.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header.set_size(0);
    Entry { header, content: Vec::new() }
}

pub fn dir(name: &str) -> Entry {
    entry(name, b'5', "", 0o755)
}

pub fn link(name: &str, target: &str) -> Entry {
    entry(name, b'2', target, 0o777)
}

pub fn file(name: impl AsRef<[u8]>, text: &str) -> Entry {
    entry(name, b'0', "", 0o644).content(text.as_bytes())
}

impl Entry {
    pub fn content(mut self, content: &[u8]) -> Entry {
        self.header.set_size(content.len() as u64);
        self.content = content.to_owned();
        self
    }

    pub fn owner(mut self, uid: u32, gid: u32) -> Entry {
        self.header.set_uid(uid.into());
        self.header.set_gid(gid.into());
        self
    }

    pub fn mode(mut self, mode: u32) -> Entry {
        self.header.set_mode(mode);
        self
    }

    /// Claims this size, whatever follows.
    pub fn size(mut self, size: u64) -> Entry {
        self.header.set_size(size);
        self
    }
}

pub fn tar(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut entry in entries {
        entry.header.set_cksum();
        bytes.extend_from_slice(entry.header.as_bytes());
        bytes.extend_from_slice(&entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zstd frame of blocks that are not compressed.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    let mut chunks = bytes.chunks(1 << 16).peekable();
    while let Some(chunk) = chunks.next() {
        let last = u32::from(chunks.peek().is_none());
        frame.extend_from_slice(&((chunk.len() as u32) << 3 | last).to_le_bytes()[..3]);
        frame.extend_from_slice(chunk);
    }
    frame
}

// ---- images ----

pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn config(layers: &[Vec<u8>], arch: &str) -> Vec<u8> {
    let diff_ids: Vec<String> =
        layers.iter().map(|layer| format!("\"sha256:{}\"", hex(layer))).collect();
    format!(
        r#"{{"architecture":"{arch}","os":"linux","config":{{"Env":["A=1"],"Cmd":["sh"],"ExposedPorts":{{"80/tcp":{{}}}}}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    )
    .into_bytes()
}

/// As `docker save` has written for long.
pub fn docker(layers: &[Vec<u8>]) -> Vec<u8> {
    let config = config(layers, ARCH);
    let names: Vec<String> = (0..layers.len()).map(|n| format!("\"{n}/layer.tar\"")).collect();
    let config_name = format!("{}.json", hex(&config));
    let manifest = format!(
        r#"[{{"Config":"{config_name}","RepoTags":["web:1"],"Layers":[{}]}}]"#,
        names.join(",")
    );
    let files = layers.iter().enumerate();
    let mut entries: Vec<Entry> = files
        .map(|(number, layer)| entry(format!("{number}/layer.tar"), b'0', "", 0o644).content(layer))
        .collect();
    entries.push(entry(&config_name, b'0', "", 0o644).content(&config));
    entries.push(file("manifest.json", &manifest));
    tar(entries)
}

/// The files of an image in the layout of OCI, which tests may change before they pack them.
#[derive(Clone, Default)]
pub struct Oci {
    pub blobs: Vec<(String, Vec<u8>)>,
    pub index: Vec<String>,
}

impl Oci {
    pub fn of(layers: &[Vec<u8>], compress: fn(&[u8]) -> Vec<u8>) -> Oci {
        let mut oci = Oci::default();
        oci.add(layers, compress, ARCH, "web");
        oci
    }

    fn blob(&mut self, bytes: Vec<u8>) -> String {
        let digest = hex(&bytes);
        let text = format!(r#""digest":"sha256:{digest}","size":{}"#, bytes.len());
        self.blobs.push((digest, bytes));
        text
    }

    pub fn add(
        &mut self,
        layers: &[Vec<u8>],
        compress: fn(&[u8]) -> Vec<u8>,
        arch: &str,
        name: &str,
    ) {
        let kind = "application/vnd.oci.image";
        let listed: Vec<String> = layers
            .iter()
            .map(|layer| {
                format!(r#"{{"mediaType":"{kind}.layer.v1.tar",{}}}"#, self.blob(compress(layer)))
            })
            .collect();
        let config = self.blob(config(layers, arch));
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{kind}.config.v1+json",{config}}},"layers":[{}]}}"#,
            listed.join(",")
        );
        let manifest = self.blob(manifest.into_bytes());
        self.index.push(format!(
            r#"{{"mediaType":"{kind}.manifest.v1+json",{manifest},"platform":{{"architecture":"{arch}","os":"linux"}},"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
        ));
    }

    /// Adds an index of these entries, and returns an entry that names it.
    pub fn an_index(&mut self, entries: &[String]) -> String {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
        let blob = self.blob(text.into_bytes());
        format!(r#"{{"mediaType":"application/vnd.oci.image.index.v1+json",{blob}}}"#)
    }

    fn index(&self) -> String {
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, self.index.join(","))
    }

    pub fn tar(&self) -> Vec<u8> {
        let blobs = self.blobs.iter().map(|(digest, bytes)| {
            entry(format!("blobs/sha256/{digest}"), b'0', "", 0o644).content(bytes)
        });
        let layout = file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        tar([layout, file("index.json", &self.index())].into_iter().chain(blobs))
    }

    pub fn write(&self, directory: &Path) {
        fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(directory.join("index.json"), self.index()).unwrap();
        for (digest, bytes) in &self.blobs {
            fs::write(directory.join("blobs/sha256").join(digest), bytes).unwrap();
        }
    }
}
