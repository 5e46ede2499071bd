//! What all students' trees are judged on top of: the course, built once, in a root filesystem that
//! has nothing of this machine but its programs and the toolchain.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::jail::{Jail, Rights};
use super::parse_all;
use crate::course::Course;
use crate::judge::Judged;

/// The course, all of it, from nothing.
const FIRST: Duration = Duration::from_secs(3600);

/// Nine steps, whose dependencies are built.
const COMPILE: Duration = Duration::from_secs(600);

/// One chapter's claims, if nothing hangs too often.
const CHAPTER: Duration = Duration::from_secs(150);

/// More than one user has, and far less than a machine.
const MOST: u32 = 4096;

/// The course, ready to be judged on.
pub struct Base {
    /// Where everything of a grading lies.
    pub directory: PathBuf,
    jail: Jail,
    /// The programs of the claims, inside, by their step.
    claims: BTreeMap<String, Vec<String>>,
}

impl Base {
    /// Makes it, unless it is there already.
    pub fn prepare(course: &Course) -> Result<Base> {
        // The container around a student's code is this tree's own step 09.
        ensure!(
            !course.git.differs(&course.commit()?, &["steps", "common"])?,
            "steps/ or common/ of this tree is not the course's, and a container must hold that is made \
             of it\nhint: grade in a fresh clone of the course"
        );
        let directory = course.top.join("target/grade");
        fs::create_dir_all(&directory).context("mkdir target/grade")?;
        fs::set_permissions(&directory, Permissions::from_mode(0o700)).context("chmod")?;
        let jail = Jail {
            full: course.top.join("target/debug/09-full"),
            root: directory.join("root"),
            volumes: volumes()?,
            limits: Vec::new(),
            processes: None,
        };
        let mut base = Base { directory, jail, claims: BTreeMap::new() };
        let (commit, stamp) = (course.commit()?, base.directory.join("commit"));
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&*commit) {
            eprintln!("Building the course in a container; once for each commit, some minutes.");
            base.make(course, &commit)?;
            crate::state::write(&stamp, &commit)?;
        }
        base.limit();
        base.claims = programs(&fs::read_to_string(base.tree().join("target/claims.json"))?);
        ensure!(!base.claims.is_empty(), "no claims were built in {}", base.tree().display());
        Ok(base)
    }

    /// The course's tree, from outside.
    pub fn tree(&self) -> PathBuf {
        self.jail.root.join("course")
    }

    fn make(&self, course: &Course, commit: &str) -> Result<()> {
        let root = &self.jail.root;
        for path in fs::read_dir(self.tree()).into_iter().flatten().flatten() {
            if path.file_name() != "target" {
                let _ = fs::remove_dir_all(path.path()).or_else(|_| fs::remove_file(path.path()));
            }
        }
        let directories = [
            "proc",
            "sys",
            "dev",
            "usr",
            "etc/alternatives",
            "tmp",
            "run",
            "mnt",
            "root",
            "student",
            "toolchain",
            "cargo/registry",
            "course",
        ];
        for name in directories {
            let path = root.join(name);
            fs::create_dir_all(&path).with_context(|| format!("mkdir {}", path.display()))?;
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            let _ = fs::remove_file(root.join(name));
            symlink(format!("usr/{name}"), root.join(name)).context("symlink")?;
        }
        let users = "root:x:0:0:root:/root:/bin/sh\nstudent:x:54321:54321::/:/bin/sh\n";
        crate::state::write(&root.join("etc/passwd"), users)?;
        crate::state::write(&root.join("etc/group"), "root:x:0:\nstudent:x:54321:\n")?;
        // Where the machine's libraries are, which the root filesystem of the claims is made of.
        let mut copy = Command::new("cp");
        copy.args(["-rf", "/etc/ld.so.cache", "/etc/ld.so.conf"]);
        let copied = copy.arg("/etc/ld.so.conf.d").arg(root.join("etc")).status();
        ensure!(copied.context("run cp")?.success(), "/etc/ld.so.* cannot be copied");
        course.git.export(commit, &self.tree())?;
        let (_, well) = self.jail.run(Rights::Compile, None, None, BUILD, FIRST)?;
        ensure!(well, "the course could not be built; PRACTICE_DEBUG=1 shows why");
        Ok(())
    }

    /// Takes those limits that whoever runs this may set.
    fn limit(&mut self) {
        for limit in ["--memory=3G", "--pids=800"] {
            self.jail.limits.push(limit.to_owned());
            let tried = self.jail.run(Rights::Compile, None, None, "true", CHAPTER);
            if !tried.is_ok_and(|(_, well)| well) {
                self.jail.limits.pop();
                self.jail.processes = Some(MOST);
                eprintln!(
                    "warning: {limit} cannot be set here: a hostile tree can slow this machine down"
                );
            }
        }
    }

    /// A new layer, which takes what is written for one tree.
    pub fn layer(&self, index: usize) -> Result<PathBuf> {
        let layer = self.directory.join(format!("layer-{index}"));
        self.forget(&layer);
        ensure!(!layer.exists(), "{} cannot be removed", layer.display());
        Ok(layer)
    }

    /// Removes a layer. Where an ordinary user judges, its files belong to subordinate ids, which
    /// only those may remove.
    pub fn forget(&self, layer: &Path) {
        if fs::remove_dir_all(layer).is_err() && layer.exists() {
            let mut remove = Command::new("unshare");
            remove.args(["--user", "--map-root-user", "--map-auto", "rm", "-rf"]).arg(layer);
            let _ = remove.stderr(Stdio::null()).status();
        }
    }

    /// Puts the student's text in place of the course's, and builds each step. Returns which do.
    pub fn compile(&self, layer: &Path, student: &Path) -> Result<BTreeMap<String, bool>> {
        let volume = format!("{}:/student:ro", student.display());
        let (text, _) =
            self.jail.run(Rights::Compile, Some(layer), Some(volume), COMPILE_ALL, COMPILE)?;
        let line = |line: &str| {
            let (step, code) = line.strip_prefix("built ")?.split_once(' ')?;
            Some((step.to_owned(), code == "0"))
        };
        Ok(text.lines().filter_map(line).collect())
    }

    /// Runs the claims of a step on the student's program.
    pub fn judge(&self, layer: &Path, step: &str) -> Result<Vec<Judged>> {
        let mut all = Vec::new();
        for program in self.claims.get(step).into_iter().flatten() {
            let script = format!(
                "mkdir -p /course/target/tmp\n\
                 mount -t tmpfs -o size=512m,mode=755 tests /course/target/tests\n\
                 mount -t tmpfs -o size=1536m,mode=755 tmp /course/target/tmp\n\
                 HARNESS_REPORT=json HARNESS_ONLY=user HARNESS_BEFORE=no exec {program}\n"
            );
            let (text, well) = self.jail.run(Rights::Judge, Some(layer), None, &script, CHAPTER)?;
            let results = parse_all(&text).context("what was printed is not the harness's")?;
            ensure!(well, "it was ended: too long, or it ended the judge");
            all.extend(results);
        }
        Ok(all)
    }
}

const BUILD: &str = "
    set -e
    cd /course
    packages=$(for step in steps/0*; do echo \"-p step-${step#steps/}\"; done)
    cargo build --quiet --bins -p harness -p rootfs $packages
    mkdir -p target/tests
    cargo test --quiet --no-run --message-format=json --test claims --test extend $packages > target/claims.json
";

/// Nothing of the student's is executed here: cargo and all its files are the course's.
const COMPILE_ALL: &str = "
    cd /course
    for step in steps/0*; do
        step=${step#steps/}
        [ -d /student/steps/$step/src ] || { echo \"built $step 1\"; continue; }
        find steps/$step/src -name '*.rs' -not -path '*/src/bin/*' -delete
        cp -r /student/steps/$step/src steps/$step/
        find steps/$step/src -name '*.rs' -exec touch {} +
    done
    for step in steps/0*; do
        step=${step#steps/}
        [ -d /student/steps/$step/src ] || continue
        rm -f target/debug/$step
        timeout 120 cargo build --quiet -p step-$step --bin $step > /dev/null
        echo \"built $step $?\"
    done
";

/// The machine's programs, the toolchain, and the crates that cargo has fetched.
fn volumes() -> Result<Vec<String>> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().context("rustc")?;
    let sysroot = String::from_utf8(output.stdout).context("rustc --print sysroot")?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registry = home.context("no CARGO_HOME")?.join("registry");
    Ok(vec![
        "/usr:/usr:ro".into(),
        "/etc/alternatives:/etc/alternatives:ro".into(),
        format!("{}:/toolchain:ro", sysroot.trim()),
        format!("{}:/cargo/registry:ro", registry.display()),
    ])
}

/// The programs that cargo named, by their step.
fn programs(messages: &str) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let manifest = message["manifest_path"].as_str().unwrap_or_default();
        let step = manifest.split('/').rev().nth(1).unwrap_or_default();
        let test = message["target"]["kind"][0] == "test";
        if let Some(program) = message["executable"].as_str().filter(|_| test) {
            all.entry(step.to_owned()).or_default().push(program.to_owned());
        }
    }
    all
}
