//! What `rootfs image` promises, checked on the real binary with images made by hand.

mod lab;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::*;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use nix::unistd::{User, geteuid};

fn base() -> Vec<u8> {
    tar([
        dir("./"),
        dir("etc/"),
        file("etc/passwd", "root"),
        file("gone", "1"),
        dir("full/"),
        file("full/old", "1"),
        dir("full/sub/"),
        file("full/sub/old", "1"),
        dir("again/"),
        file("again/old", "1"),
        file("was-file", "1"),
        dir("was-dir/"),
        file("was-dir/old", "1"),
        dir("usr/"),
        dir("usr/lib/"),
        link("lib", "usr/lib"),
        file("usr/lib/a", "1"),
    ])
}

/// Hides and replaces much of [`base`].
fn upper() -> Vec<u8> {
    tar([
        file(".wh.gone", ""),
        dir("full/"),
        file("full/new", "2"),
        file("full/.wh..wh..opq", ""),
        dir("full/sub/"),
        file("full/sub/new", "2"),
        file(".wh.again", ""),
        dir("again/"),
        file("again/new", "2"),
        dir("was-file/"),
        file("was-file/new", "2"),
        file("was-dir", "2"),
        file("etc/.wh..wh.plnk", ""),
        file("etc/.wh.absent", ""),
        file("etc/shadow", "2").mode(0o600),
        entry("etc/hard", b'1', "etc/shadow", 0o600),
        dir("lib/"),
        file("lib/b", "2"),
        entry("dev/sda", b'4', "", 0o660),
    ])
}

fn layers(image: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(image.join("layers")).unwrap();
    text.lines().map(|name| image.join("store").join(name)).collect()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

// ---- formats ----

#[test]
fn every_format_gives_the_same_layers() {
    let all = [base(), upper()];
    let plain = |bytes: &[u8]| bytes.to_vec();
    let archives = [
        ("docker", docker(&all)),
        ("docker-gz", gzip(&docker(&all))),
        ("oci", Oci::of(&all, plain).tar()),
        ("oci-gz", Oci::of(&all, gzip).tar()),
        ("oci-zst", zstd(&Oci::of(&all, zstd).tar())),
    ];
    let lab = Lab::new();
    let mut names = Vec::new();
    for (name, archive) in archives {
        lab.write(&format!("{name}.tar"), &archive);
        let image = lab.unpack(&[&format!("{name}.tar")]);
        assert_eq!(image, lab.path(&format!("rootfs/{name}.image")));
        assert_eq!(fs::read(image.join("config.json")).unwrap(), config(&all, ARCH));
        names.push(read(image.join("layers")));
    }
    Oci::of(&all, gzip).write(&lab.path("directory"));
    names.push(read(lab.unpack(&["directory"]).join("layers")));
    names.dedup();
    assert_eq!(names.len(), 1, "the layers are known by their content");
    let [upper, base, mount_points] = &layers(&lab.path("rootfs/oci.image"))[..] else { panic!() };
    assert_eq!(read(base.join("etc/passwd")), "root");
    assert_eq!(read(upper.join("etc/hard")), "2");
    assert_eq!(fs::metadata(mount_points.join("tmp")).unwrap().mode() & 0o7777, 0o1777);
    assert!(!upper.join("dev/sda").exists());
}

#[test]
fn the_place_is_closed_to_other_users() {
    let lab = Lab::new();
    lab.write("x.tar", &docker(&[base()]));
    let image = lab.unpack(&["x.tar"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&lab.path("rootfs")), 0o700);
    assert_eq!(mode(&image.join("store")), 0o700);
    assert_eq!(mode(&layers(&image)[0]), 0o755);
}

#[test]
fn layers_are_shared_and_removed_with_the_last_image() {
    let lab = Lab::new();
    lab.write("one.tar", &docker(&[base()]));
    lab.write("two.tar", &docker(&[base(), upper()]));
    let (one, two) = (lab.unpack(&["one.tar"]), lab.unpack(&["two.tar"]));
    let inode = |path: &PathBuf| fs::metadata(path).unwrap().ino();
    assert_eq!(inode(&layers(&one)[0]), inode(&layers(&two)[1]));
    let trees = |lab: &Lab| {
        lab.left().iter().filter(|name| name.contains("layers") && !name.contains("/.")).count()
    };
    assert_eq!(trees(&lab), 3);
    // The same name with another content: the layer that nobody needs any more goes.
    lab.write("two.tar", &docker(&[base()]));
    lab.unpack(&["two.tar"]);
    assert_eq!(trees(&lab), 2);
    fs::remove_dir_all(&layers(&two)[0]).unwrap();
    assert_eq!(read(layers(&lab.unpack(&["two.tar"]))[0].join("gone")), "1", "it is made again");
}

/// Every path below a directory, with kind, mode, owner and content.
fn listing(tree: &Path, below: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(tree.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        let meta = fs::symlink_metadata(tree.join(&path)).unwrap();
        let text = if meta.is_file() { read(tree.join(&path)) } else { String::new() };
        let to = fs::read_link(tree.join(&path)).unwrap_or_default();
        all.push(format!("{path:?} {:o} {} {text} {to:?}", meta.mode(), meta.uid()));
        if meta.is_dir() {
            listing(tree, &path, all);
        }
    }
    all.sort();
}

const LIST: &str = r#"cd "$1/store" && mount -t overlay -o "userxattr,lowerdir=$(paste -sd: ../$(basename "$1")/layers)" none /mnt && cd /mnt
find . -mindepth 1 ! -name work -printf '%p %y %m %U %l\n' | sort"#;

#[test]
fn an_overlay_of_the_layers_and_the_flat_tree_are_alike() {
    let lab = Lab::new();
    lab.write("x.tar", &docker(&[base(), upper()]));
    let image = lab.unpack(&["x.tar"]);
    let done = with_mounts(LIST, &image);
    if !done.status.success() {
        return skip("an overlay", &stderr(&done));
    }
    let overlay = String::from_utf8(done.stdout).unwrap();
    for gone in ["./gone ", "/old ", "./lib l", "./usr/lib/b "] {
        assert!(!overlay.contains(gone), "{gone} in\n{overlay}");
    }
    for kept in ["./full/sub/new ", "./again/new ", "./was-dir f", "./lib/b ", "./usr/lib/a "] {
        assert!(overlay.contains(kept), "{kept} in\n{overlay}");
    }
    let flat = lab.unpack(&["--flatten", "--name", "flat", "x.tar"]);
    assert_eq!(flat, lab.path("rootfs/flat"));
    let find = "find . -mindepth 1 ! -name work -printf '%p %y %m %U %l\\n' | sort";
    let find = format!("cd \"$1\" && {find}");
    let done = with_mounts(&find, &flat);
    assert_eq!(String::from_utf8(done.stdout).unwrap(), overlay);
    let described = lab.path("rootfs/flat.image");
    assert_eq!(layers(&described), [described.join("store/flat")]);
    assert!(
        described.join("store/flat/full/new").exists() && described.join("config.json").exists()
    );
}

#[test]
fn an_opaque_root_hides_all_layers_below() {
    let lab = Lab::new();
    let top = tar([file(".wh..wh..opq", ""), file("only", "1")]);
    lab.write("x.tar", &docker(&[base(), top]));
    assert_eq!(layers(&lab.unpack(&["x.tar"])).len(), 2);
    let flat = lab.unpack(&["--flatten", "--name", "flat", "x.tar"]);
    assert!(flat.join("only").exists() && !flat.join("etc").exists());
}

#[test]
fn sixty_layers_fit_into_one_mount() {
    let lab = Lab::new();
    let all: Vec<_> = (0..60).map(|number| tar([file(format!("f{number}"), "1")])).collect();
    lab.write("x.tar", &docker(&all));
    let image = lab.unpack(&["x.tar"]);
    let done = with_mounts(LIST, &image);
    if !done.status.success() {
        return skip("sixty layers", &stderr(&done));
    }
    assert_eq!(String::from_utf8(done.stdout).unwrap().matches("./f").count(), 60);
}

#[test]
fn a_layer_that_comes_again_is_stacked_once() {
    let lab = Lab::new();
    let (empty, one) = (tar([]), tar([file("etc/one", "1"), file("gone", "back")]));
    let all = [base(), empty.clone(), one.clone(), upper(), empty, one];
    lab.write("x.tar", &docker(&all));
    let image = lab.unpack(&["x.tar"]);
    assert_eq!(layers(&image).len(), 5, "four different ones, and the mount points");
    let done = with_mounts(LIST, &image);
    if !done.status.success() {
        let words = stderr(&done);
        assert!(!words.contains("symbolic links"), "{words}");
        return skip("a layer that comes again", &words);
    }
    let overlay = String::from_utf8(done.stdout).unwrap();
    assert!(overlay.contains("./gone f") && overlay.contains("./etc/one f"), "{overlay}");
    let flat = lab.unpack(&["--flatten", "--name", "flat", "x.tar"]);
    assert_eq!(read(flat.join("gone")), "back");
}

#[test]
fn more_layers_than_mount_takes_become_one_tree() {
    let lab = Lab::new();
    let all: Vec<_> = (0..128).map(|number| tar([file(format!("f{number}"), "1")])).collect();
    lab.write("x.tar", &docker(&all[..127]));
    let options = read(lab.unpack(&["x.tar"]).join("layers")).len();
    assert!(options < 4096 - 200, "{options} bytes for mount(2)");
    let lab = Lab::new();
    lab.write("x.tar", &docker(&all));
    assert!(lab.refused(&["x.tar"]).contains("FLAT=1"));
    assert!(lab.unpack(&["--flatten", "x.tar"]).join("f127").exists());
}

// ---- choices ----

#[test]
fn the_platform_of_this_machine_is_chosen() {
    let (mine, other) = (tar([file("mine", "")]), tar([file("other", "")]));
    let mut oci = Oci::default();
    let foreign = if ARCH == "amd64" { "arm64" } else { "amd64" };
    oci.add(std::slice::from_ref(&other), gzip, foreign, "web");
    oci.add(&[mine], gzip, ARCH, "web");
    let lab = Lab::new();
    lab.write("x.tar", &oci.tar());
    assert!(layers(&lab.unpack(&["x.tar"]))[0].join("mine").exists());
    let platform = format!("linux/{foreign}");
    assert!(layers(&lab.unpack(&["x.tar", "--platform", &platform]))[0].join("other").exists());
    let lab = Lab::new();
    let mut oci = Oci::default();
    oci.add(&[other], gzip, foreign, "web");
    lab.write("x.tar", &oci.tar());
    assert!(lab.refused(&["x.tar"]).contains(&format!("--platform {platform}")));
}

#[test]
fn of_several_images_one_must_be_named() {
    let mut oci = Oci::of(&[tar([file("web", "")])], gzip);
    oci.add(&[tar([file("db", "")])], gzip, ARCH, r"db\u001b[2J");
    let lab = Lab::new();
    lab.write("x.tar", &oci.tar());
    let words = lab.refused(&["x.tar"]);
    assert!(words.contains("--image") && words.contains("web"), "{words}");
    assert!(!words.contains('\u{1b}'), "{words:?}");
    assert!(lab.refused(&["x.tar", "--image", "no"]).contains("it has: web"));
    assert!(layers(&lab.unpack(&["x.tar", "--image", "web"]))[0].join("web").exists());
}

#[test]
fn other_files_are_refused_in_words() {
    let lab = Lab::new();
    lab.write("rootfs.tar", &base());
    assert!(lab.refused(&["rootfs.tar"]).contains("rootfs tar"));
    lab.write("text", b"hello");
    assert!(lab.refused(&["text"]).contains("neither an archive"));
    lab.write("empty", b"");
    lab.refused(&["empty"]);
    assert!(lab.refused(&["absent"]).contains("No such file"));
    assert!(lab.refused(&["/dev/zero"]).contains("neither a regular file"));
    fs::create_dir(lab.path("dir")).unwrap();
    nix::unistd::mkfifo(&lab.path("dir/index.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    lab.refused(&["dir"]);
    for name in ["host", "../x", "a:b", ""] {
        assert_eq!(lab.run(&["rootfs.tar", "--name", name]).status.code(), Some(2), "{name}");
    }
}

// ---- damage ----

#[test]
fn every_digest_is_checked() {
    let all = [base(), upper()];
    let good = Oci::of(&all, gzip);
    for index in 0..good.blobs.len() {
        for cut in [false, true] {
            let mut bad = good.clone();
            let bytes = &mut bad.blobs[index].1;
            if cut {
                bytes.truncate(bytes.len() - 3);
            } else {
                // Where gzip keeps a comment on the file system: no decoder looks at it.
                let place = if bytes.starts_with(&[0x1f, 0x8b]) { 9 } else { bytes.len() - 3 };
                bytes[place] ^= 1;
            }
            let lab = Lab::new();
            lab.write("x.tar", &bad.tar());
            let words = lab.refused(&["x.tar"]);
            let known = ["digest", "bytes", "next entry", "end", "EOF", "the archive"];
            assert!(known.iter().any(|word| words.contains(word)), "{words}");
        }
    }
    let lab = Lab::new();
    let mut other = good.clone();
    other.blobs.push((String::new(), Vec::new()));
    // A right layer under the name of another one.
    let (first, second) = (other.blobs[0].1.clone(), other.blobs[1].1.clone());
    (other.blobs[0].1, other.blobs[1].1) = (second, first);
    lab.write("x.tar", &other.tar());
    assert!(lab.refused(&["x.tar"]).contains("and the image names"));
}

#[test]
fn layers_of_docker_are_checked_by_their_diff_ids() {
    let mut archive = docker(&[base()]);
    let place = archive.windows(4).position(|bytes| bytes == b"root").unwrap();
    archive[place] = b'R';
    let lab = Lab::new();
    lab.write("x.tar", &archive);
    assert!(lab.refused(&["x.tar"]).contains("digest"));
    assert!(lab.refused(&["x.tar", "--flatten"]).contains("digest"));
}

#[test]
fn archives_that_are_cut_off_are_refused() {
    let archive = Oci::of(&[base(), upper()], gzip).tar();
    for share in [1, 3, 5, 7] {
        let lab = Lab::new();
        lab.write("x.tar", &archive[..archive.len() * share / 8]);
        lab.refused(&["x.tar"]);
        lab.write("x.tar.gz", &gzip(&archive)[..300]);
        lab.refused(&["x.tar.gz"]);
    }
}

/// Each index of the chain names the next one `times` times.
fn chain(length: usize, times: usize) -> Vec<u8> {
    let mut oci = Oci::of(&[base()], gzip);
    for _ in 0..length {
        let entries = vec![oci.index[0].clone(); times];
        oci.index = vec![oci.an_index(&entries)];
    }
    oci.tar()
}

#[test]
fn indexes_that_lead_to_indexes_come_to_an_end() {
    let lab = Lab::new();
    lab.write("x.tar", &chain(3, 5));
    lab.unpack(&["x.tar"]);
    for (length, times) in [(5, 200), (1500, 1), (1, 30_000)] {
        let lab = Lab::new();
        lab.write("x.tar", &chain(length, times));
        assert!(lab.refused(&["x.tar"]).contains("too many entries"));
    }
}

// ---- hostile layers ----

/// An entry of PAX whose extended header has this text.
fn pax(key: &str, value: &str, file: Entry) -> [Entry; 2] {
    let length = key.len() + value.len() + 3;
    let digits = (length + 2).to_string().len();
    let record = format!("{} {key}={value}\n", length + digits);
    [entry("pax", b'x', "", 0o644).content(record.as_bytes()), file]
}

fn hostile(outside: &str) -> Vec<(&'static str, Vec<u8>)> {
    let victim = format!("{outside}/victim");
    let long = format!("{victim}\u{1b}[2J\n");
    vec![
        ("dot-dot", tar([file("../../victim", "x")])),
        ("absolute", tar([file(&victim, "x")])),
        ("absolute in PAX", tar(pax("path", &long, file("a", "x")))),
        ("through a link", tar([link("a", outside), file("a/victim", "x")])),
        ("a directory through a link", tar([link("a", outside), dir("a/b/")])),
        ("through links upwards", tar([link("a", "../../../.."), file("a/victim", "x")])),
        ("hard link", tar([entry("a", b'1', &victim, 0o644), file("a", "x")])),
        ("hard link upwards", tar([entry("a", b'1', "../../victim", 0o644)])),
        (
            "hard link through a link",
            tar([link("d", outside), entry("a", b'1', "d/victim", 0o644)]),
        ),
        ("hard link to a directory", tar([dir("d/"), entry("a", b'1', "d", 0o755)])),
        ("whiteout of the parent", tar([file("a/.wh...", "")])),
        ("whiteout of nothing", tar([file(".wh.", "")])),
        ("whiteout through a link", tar([link("a", outside), file("a/.wh.victim", "")])),
        ("opaque through a link", tar([link("a", outside), file("a/.wh..wh..opq", "")])),
        ("the root as a file", tar([file("./", "x")])),
        ("the root as a link", tar([link("./", outside)])),
        ("larger than any disk", tar([file("a", "").size(1 << 60)])),
        ("owner -1", tar([file("a", "").owner(u32::MAX, 0)])),
        ("an unknown kind", tar([entry("a\u{1b}[2J", b'V', "", 0o644)])),
        ("cut off", base()[..1700].to_vec()),
        ("no archive", b"hello".to_vec()),
        ("sparse in PAX", tar(pax("GNU.sparse.major", "1", file("a", "")))),
        ("a long name without end", tar([entry("a", b'L', "", 0).content(&vec![b'a'; 2 << 20])])),
    ]
}

#[test]
fn hostile_layers_are_refused_and_nothing_happens_outside() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    for (what, layer) in hostile(outside.path().to_str().unwrap()) {
        for (args, lower) in [(&["x.tar"][..], None), (&["x.tar", "--flatten"], None)]
            .into_iter()
            .chain([(&["x.tar", "--flatten"][..], Some(base()))])
        {
            fs::write(&victim, "untouched").unwrap();
            let lab = Lab::new();
            let all: Vec<_> = lower.into_iter().chain([layer.clone()]).collect();
            lab.write("x.tar", &docker(&all));
            let done = lab.run(args);
            let words = stderr(&done);
            // A link that leads out is followed inside the flat tree, as a container would.
            let harmless = done.status.success() && args.len() > 1 && what.contains("through");
            assert!(harmless || done.status.code() == Some(125), "{what}: {words}");
            assert!(harmless || lab.left().is_empty(), "{what}: {:?}", lab.left());
            assert!(!words.contains('\u{1b}') && !words.contains("panicked"), "{what}: {words:?}");
            let known = what != "larger than any disk" || words.contains("No space left");
            assert!(known, "{words}");
            assert_eq!(read(&victim), "untouched", "{what}");
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{what}");
            assert_eq!(fs::metadata(&victim).unwrap().nlink(), 1, "{what}");
        }
    }
}

#[test]
fn a_bomb_of_names_takes_no_memory() {
    let lab = Lab::new();
    let mut layer = tar([entry("a", b'L', "", 0).size(1 << 32)]);
    layer.resize(64 << 20, b'a');
    lab.write("x.tar", &Oci::of(&[layer], gzip).tar());
    assert!(lab.refused(&["x.tar"]).contains("more than a megabyte"));
}

#[test]
fn a_deep_tree_is_removed_with_few_open_files() {
    let lab = Lab::new();
    let deep = "d/".repeat(1900);
    let layer = tar(pax("path", &format!("{deep}f"), file("short", "1")));
    lab.write("good.tar", &docker(&[layer]));
    let limited = |args: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\""]).arg(lab.path("debug/rootfs-image"));
        shell.args(args).current_dir(lab.path("")).output().unwrap()
    };
    path(&limited(&["good.tar", "--name", "x"]));
    lab.write("small.tar", &docker(&[base()]));
    path(&limited(&["small.tar", "--name", "x"]));
    let trees = |name: &String| name.starts_with("layers") && !name.contains("/.");
    assert_eq!(lab.left().iter().filter(|name| trees(name)).count(), 2, "{:?}", lab.left());
}

#[test]
fn odd_entries_are_unpacked_as_they_are_meant() {
    let lab = Lab::new();
    let long = "n".repeat(250);
    let mut entries = vec![
        file(b"\xff\xfe", "bytes"),
        file("twice", "1"),
        file("twice", "2"),
        file("became-link", "1"),
        link("became-link", "/etc/passwd"),
        link("was-link", "/etc/passwd"),
        file("was-link", "2"),
        dir("empty/"),
        file("e\u{1b}[2J\n", "escape"),
        file(".whiskers", "3"),
    ];
    entries.extend(pax("path", &format!("long/{long}"), file("short", "4")));
    entries.extend(pax("SCHILY.xattr.user.overlay.redirect", "/etc", dir("redirected/")));
    lab.write("x.tar", &docker(&[tar(entries)]));
    let top = layers(&lab.unpack(&["x.tar"]))[0].clone();
    assert_eq!(read(top.join(std::ffi::OsStr::from_bytes(b"\xff\xfe"))), "bytes");
    assert_eq!((read(top.join("twice")), read(top.join("was-link"))), ("2".into(), "2".into()));
    assert_eq!(fs::read_link(top.join("became-link")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(read(top.join("long").join(long)), "4");
    assert_eq!(read(top.join(".whiskers")), "3");
    assert_eq!(fs::metadata(top.join("twice")).unwrap().mtime(), 1_000_000_000);
    let redirected = fs::File::open(top.join("redirected")).unwrap();
    let names = attributes(&redirected);
    assert!(!names.contains("overlay"), "{names}");
}

fn attributes(file: &fs::File) -> String {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let done = Command::new("getfattr").args(["-d", "-m", "-", &path]).output();
    done.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default()
}

#[test]
fn a_layer_hides_only_what_is_below_it() {
    let lab = Lab::new();
    let top = tar([
        dir("full/"),
        file("full/new", "2"),
        file(".wh.full", ""),
        file("mine", "2"),
        file(".wh.mine", ""),
    ]);
    lab.write("x.tar", &docker(&[base(), top]));
    let flat = lab.unpack(&["x.tar", "--flatten", "--name", "flat"]);
    assert!(flat.join("full/new").exists() && !flat.join("full/old").exists());
    assert_eq!(read(flat.join("mine")), "2");
    let done = with_mounts(LIST, &lab.unpack(&["x.tar"]));
    if !done.status.success() {
        return skip("an overlay", &stderr(&done));
    }
    let overlay = String::from_utf8(done.stdout).unwrap();
    assert!(overlay.contains("./full/new ") && !overlay.contains("./full/old "), "{overlay}");
    assert!(overlay.contains("./mine f"), "{overlay}");
}

#[test]
fn links_of_the_directory_do_not_leave_it() {
    let lab = Lab::new();
    let oci = Oci::of(&[base()], gzip);
    oci.write(&lab.path("image"));
    let blob = lab.path("image/blobs/sha256").join(&oci.blobs[0].0);
    fs::rename(&blob, lab.path("elsewhere")).unwrap();
    symlink(lab.path("elsewhere"), &blob).unwrap();
    lab.refused(&["image"]);
}

// ---- owners ----

fn privileged() -> Vec<u8> {
    tar([
        dir("var/").owner(26, 27).mode(0o750),
        file("var/su", "x").owner(0, 0).mode(0o4755),
        file("var/other", "x").owner(100, 101).mode(0o6711),
        link("var/link", "su").owner(26, 27),
    ])
}

#[test]
fn root_keeps_the_numbers() {
    if !geteuid().is_root() {
        return skip("owners of root", "this takes root");
    }
    let lab = Lab::new();
    lab.write("x.tar", &docker(&[privileged()]));
    let top = layers(&lab.unpack(&["x.tar"]))[0].clone();
    let look = |name: &str| {
        let meta = fs::symlink_metadata(top.join(name)).unwrap();
        (meta.uid(), meta.gid(), meta.mode() & 0o7777)
    };
    assert_eq!(look("var"), (26, 27, 0o750));
    assert_eq!(look("var/su"), (0, 0, 0o4755));
    assert_eq!(look("var/other"), (100, 101, 0o6711));
    assert_eq!((look("var/link").0, look("var/link").1), (26, 27));
}

/// A user with a range in /etc/subuid, and its first id.
fn user_with_range() -> Option<(User, u32)> {
    let text = fs::read_to_string("/etc/subuid").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let user = User::from_name(fields.next()?).ok()??;
        Some((user, fields.next()?.parse().ok()?)).filter(|(user, _)| !user.uid.is_root())
    })
}

fn as_user(lab: &Lab, uid: u32, args: &[&str]) -> std::process::Output {
    let (user, group) = (format!("--reuid={uid}"), format!("--regid={uid}"));
    let mut command = Command::new("setpriv");
    command.args([&user, &group, "--clear-groups"]).arg(lab.path("debug/rootfs-image"));
    command.args(args).current_dir(lab.path("")).output().unwrap()
}

#[test]
fn a_user_with_subordinate_ids_gives_files_to_them() {
    if !geteuid().is_root() {
        return skip("subordinate ids", "this takes root, to become that user");
    }
    let Some((user, first)) = user_with_range() else {
        return skip("subordinate ids", "no user has a range in /etc/subuid");
    };
    if Command::new("newuidmap").output().is_err() {
        return skip("subordinate ids", "newuidmap is not on this machine (package uidmap)");
    }
    let (lab, uid) = (Lab::new(), user.uid.as_raw());
    lab.write("x.tar", &docker(&[privileged(), upper()]));
    lab.give_to(uid);
    let done = as_user(&lab, uid, &["x.tar"]);
    let top = layers(&path(&done))[1].clone();
    let look = |name: &str| {
        let meta = fs::symlink_metadata(top.join(name)).unwrap();
        (meta.uid(), meta.mode() & 0o7777)
    };
    assert_eq!(look("var"), (first + 25, 0o750));
    assert_eq!(look("var/su"), (uid, 0o4755));
    assert_eq!(look("var/other"), (first + 99, 0o6711));
    assert!(!stderr(&done).contains("warning"), "{}", stderr(&done));
    // The user may not even look into it; a new image in its place takes the namespace again.
    lab.write("x.tar", &docker(&[base()]));
    path(&as_user(&lab, uid, &["x.tar"]));
    assert!(!top.exists(), "the old layers went");
}

#[test]
fn a_user_without_has_every_file_and_one_warning() {
    if !geteuid().is_root() {
        return skip("no subordinate ids", "this takes root, to become such a user");
    }
    let lab = Lab::new();
    lab.write("x.tar", &docker(&[privileged(), upper()]));
    lab.give_to(54321);
    let done = as_user(&lab, 54321, &["x.tar"]);
    let top = layers(&path(&done))[1].clone();
    let mode = |name: &str| fs::metadata(top.join(name)).unwrap().mode() & 0o7777;
    assert_eq!(mode("var/other"), 0o711, "as this user's, it would be another program");
    assert_eq!(mode("var/su"), 0o4755);
    assert_eq!(stderr(&done).matches("warning").count(), 1, "{}", stderr(&done));
    assert!(stderr(&done).contains("/etc/subuid"));
}

// ---- layers in use ----

/// A shell with its libraries, and a file with this text.
fn with_shell(text: &str) -> Vec<u8> {
    let listed = Command::new("ldd").arg("/bin/sh").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    let mut entries = vec![file("mark", text), dir("tmp/").mode(0o1777)];
    for path in libraries.chain(["/bin/sh"]) {
        let name = path.trim_start_matches('/');
        entries.push(entry(name, b'0', "", 0o755).content(&fs::read(path).unwrap()));
    }
    tar(entries)
}

/// Starts step 09 in `image`, on a network that is not the machine's: as root, or as this user.
fn start(lab: &Lab, user: Option<u32>, image: &Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net"]);
    if let Some(uid) = user {
        let id = format!("{uid}");
        command.args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"]);
    }
    command.arg(lab.path("debug/09-full")).arg(image).args(["/bin/sh", "-c", script]);
    command.env("XDG_RUNTIME_DIR", lab.path("run")).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Root, and a user with subordinate ids where there is one; each with a lab.
fn identities(test: &str) -> Vec<(Lab, Option<u32>)> {
    let step = Path::new(env!("CARGO_BIN_EXE_rootfs-image")).with_file_name("09-full");
    if !geteuid().is_root() || !step.is_file() {
        skip(test, "this takes root, and step 09: cargo build --workspace");
        return Vec::new();
    }
    if statfs("/var/tmp").unwrap().filesystem_type() == OVERLAYFS_SUPER_MAGIC {
        skip(test, "/var/tmp lies on an overlay, so it can have no layers");
        return Vec::new();
    }
    let user = user_with_range().map(|(user, _)| user.uid.as_raw());
    let users = [None].into_iter().chain(user.map(Some));
    let with_lab = |user: Option<u32>| {
        let lab = Lab::new();
        assert!(Command::new("cp").arg(&step).arg(lab.path("debug")).status().unwrap().success());
        fs::create_dir(lab.path("run")).unwrap();
        lab.give_to(user.unwrap_or(0));
        (lab, user)
    };
    users.map(with_lab).collect()
}

fn unpack_as(lab: &Lab, user: Option<u32>, args: &[&str]) -> PathBuf {
    user.map_or_else(|| lab.unpack(args), |uid| path(&as_user(lab, uid, args)))
}

#[test]
fn a_layer_stays_while_a_container_uses_it() {
    for (lab, user) in identities("layers in use") {
        lab.write("x.tar", &docker(&[with_shell("old")]));
        let image = unpack_as(&lab, user, &["x.tar"]);
        let used = layers(&image)[0].clone();
        let script = "echo started; read go; read mark < /mark; echo $mark";
        let mut container = start(&lab, user, &image, script).spawn().unwrap();
        let mut words = BufReader::new(container.stdout.take().unwrap()).lines();
        assert_eq!(words.next().unwrap().unwrap(), "started");
        lab.write("x.tar", &docker(&[tar([file("mark", "new")])]));
        unpack_as(&lab, user, &["x.tar"]);
        assert!(used.join("mark").exists(), "as {user:?}");
        let rootfs = Path::new(env!("CARGO_BIN_EXE_rootfs-image")).with_file_name("rootfs");
        Command::new("cp").arg(rootfs).arg(lab.path("debug")).status().unwrap();
        let all = Command::new(lab.path("debug/rootfs")).arg("remove").output().unwrap();
        assert!(stderr(&all).contains("a container uses the layer"), "{}", stderr(&all));
        container.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert_eq!(words.next().unwrap().unwrap(), "old", "as {user:?}");
        assert!(container.wait().unwrap().success());
        unpack_as(&lab, user, &["x.tar"]);
        assert!(!used.exists(), "it goes once nobody uses it");
    }
}

#[test]
fn an_image_is_whole_whatever_takes_its_place_while_a_container_starts() {
    for (lab, user) in identities("images that are replaced") {
        let versions = ["1", "2"].map(|mark| docker(&[with_shell(mark)]));
        lab.write("x.tar", &versions[0]);
        let image = unpack_as(&lab, user, &["x.tar"]);
        std::thread::scope(|scope| {
            let replaced = scope.spawn(|| {
                for round in 0..30 {
                    lab.write("x.tar", &versions[round % 2]);
                    unpack_as(&lab, user, &["x.tar"]);
                }
            });
            while !replaced.is_finished() {
                let script = "read mark < /mark; echo $mark";
                let done = start(&lab, user, &image, script).output().unwrap();
                let mark = String::from_utf8_lossy(&done.stdout).into_owned();
                assert!(["1\n", "2\n"].contains(&&*mark), "as {user:?}: {}", stderr(&done));
            }
        });
    }
}

// ---- interrupted ----

#[test]
fn a_full_disk_is_named_and_leaves_nothing() {
    let lab = Lab::new();
    let big = entry("big", b'0', "", 0o644).content(&vec![7; 3 << 20]);
    lab.write("x.tar", &docker(&[base(), tar([file("small", "1"), big])]));
    fs::create_dir(lab.path("rootfs")).unwrap();
    let script = r#"cd "$1" && mount -t tmpfs -o size=2M none rootfs
set +e; debug/rootfs-image x.tar >&2; echo $?; debug/rootfs-image --flatten x.tar; echo $?
find rootfs -type d | wc -l"#;
    let done = with_mounts(script, &lab.path(""));
    if done.stdout.is_empty() {
        return skip("a full disk", &stderr(&done));
    }
    let words = stderr(&done);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "125\n125\n2\n", "{words}");
    assert_eq!(words.matches("No space left on device").count(), 2, "{words}");
}

#[test]
fn what_a_killed_process_leaves_goes_with_the_next() {
    let lab = Lab::new();
    let big = entry("big", b'0', "", 0o644).content(&vec![7; 48 << 20]);
    lab.write("x.tar", &docker(&[tar([big])]));
    lab.write("y.tar", &docker(&[base()]));
    for args in [&["x.tar"][..], &["x.tar", "--flatten"]] {
        let mut child = lab.command(args).stdout(Stdio::null()).spawn().unwrap();
        let is_draft = |name: &String| name.ends_with(".draft") && !name.contains(".image");
        for _ in 0..2000 {
            if lab.left().iter().any(is_draft) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(lab.left().iter().any(is_draft), "it was killed too late: {:?}", lab.left());
        lab.unpack(args);
        assert!(!lab.left().iter().any(is_draft), "{:?}", lab.left());
    }
}

// ---- peers ----

#[test]
fn what_podman_saves_is_unpacked_as_podman_does() {
    if !geteuid().is_root() || Command::new("podman").arg("--version").output().is_err() {
        return skip("podman", "this takes root and podman (package podman)");
    }
    let lab = Lab::new();
    lab.write("rootfs.tar", &base());
    let script = r#"cd "$1"; unset XDG_RUNTIME_DIR
run() { podman --root "$PWD/s" --runroot "$PWD/r" --storage-driver vfs --cgroup-manager cgroupfs "$@"; }
run import -c 'ENV A=1' -c 'CMD ["sh"]' rootfs.tar local/x:1 >/dev/null
run save -q local/x:1 -o docker.tar; run save -q --format oci-archive local/x:1 -o oci.tar
run save -q --format oci-dir local/x:1 -o dir"#;
    let done = with_mounts(script, &lab.path(""));
    if !done.status.success() {
        return skip("podman", &stderr(&done));
    }
    let mut expected = Vec::new();
    lab.write("mine.tar", &docker(&[base()]));
    let mine = lab.unpack(&["mine.tar"]);
    listing(&layers(&mine)[0], Path::new(""), &mut expected);
    for saved in ["docker.tar", "oci.tar", "dir"] {
        let mut found = Vec::new();
        let image = lab.unpack(&[saved]);
        listing(&layers(&image)[0], Path::new(""), &mut found);
        assert_eq!(found, expected, "{saved}");
        assert!(read(image.join("config.json")).contains("A=1"));
    }
}
