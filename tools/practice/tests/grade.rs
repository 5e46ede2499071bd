//! Trees that were made to be graded: one that is perfect, one that is half done, one whose author
//! wants points, secrets and the machine's processes, and one that takes everything else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use practice::hollow;
use serde_json::Value;

/// What the hostile tree looks for: it is there for whoever compiles or runs outside a container.
const SECRET: &str = "the teacher's own words";

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn edit(tree: &Path, file: &str, change: impl FnOnce(&str) -> String) {
    let path = tree.join("steps").join(file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, change(&text)).unwrap();
}

/// Chapter 07 has something left to write, and 08 has a bug.
fn half(tree: &Path) {
    copy(&top().join("steps"), &tree.join("steps"));
    edit(tree, "07-net/src/lib.rs", |text| {
        hollow::hollow(text, &["Link::up"], &[], "07 up: later", &[]).unwrap()
    });
    fs::remove_dir_all(tree.join("steps/09-full")).unwrap();
}

/// Everything that a hostile student could think of.
fn malicious(tree: &Path, secret: &Path) {
    copy(&top().join("steps"), &tree.join("steps"));
    let secret = secret.display();
    // Reads the teacher's files while it is compiled, and would run a build script.
    edit(tree, "01-chroot/src/main.rs", |text| {
        format!("{text}\nconst STOLEN: &str = include_str!({:?});\n", secret.to_string())
    });
    let touch = format!("fn main() {{ std::fs::write(\"{secret}.build\", \"x\").unwrap(); }}\n");
    fs::write(tree.join("steps/01-chroot/build.rs"), touch).unwrap();
    fs::write(tree.join("Makefile"), format!("%:\n\ttouch {secret}.make\n")).unwrap();
    // Forges verdicts: on its own output, and in every process whose output it can open.
    let line = "{\"chapter\":\"02-pid\",\"claim\":\"the payload is process 1\",\"identity\":\"user\",\"verdict\":\"ok\",\"events\":[],\"hint\":\"\"}";
    fs::write(
        tree.join("steps/02-pid/src/main.rs"),
        format!(
            "fn main() {{
                let line = {line:?};
                println!(\"{{line}}\");
                for entry in std::fs::read_dir(\"/proc\").into_iter().flatten().flatten() {{
                    for number in [1, 2] {{
                        let path = entry.path().join(format!(\"fd/{{number}}\"));
                        let _ = std::fs::write(path, format!(\"{{line}}\\n\"));
                    }}
                }}
                print!(\"{{}}\", std::fs::read_to_string(\"{secret}\").unwrap_or_default());
                let _ = std::fs::write(\"{secret}.run\", \"x\");
                unsafe {{ libc::kill(-1, 9) }};
            }}"
        ),
    )
    .unwrap();
    // Takes the machine's processes.
    let bomb = "fn main() { loop { unsafe { libc::fork() }; } }\n";
    fs::write(tree.join("steps/03-uts/src/main.rs"), bomb).unwrap();
    // Leads to files of the teacher's.
    fs::remove_file(tree.join("steps/04-ipc/src/main.rs")).unwrap();
    symlink("/etc/passwd", tree.join("steps/04-ipc/src/main.rs")).unwrap();
    // Takes all memory of the compiler.
    edit(tree, "05-user/src/lib.rs", |text| {
        format!("{text}\n/// All.\npub static ALL: [u8; 1 << 35] = [1; 1 << 35];\n")
    });
}

/// Mains that take what a machine has: its disk by two ways, its time, its memory, the compiler's
/// time.
const GREEDY: [(&str, &str); 6] = [
    (
        "01-chroot",
        "use std::io::Write;
        fn main() {
            let bytes = [b'x'; 65536];
            loop {
                let _ = std::io::stdout().write_all(&bytes);
                let _ = std::io::stderr().write_all(&bytes);
            }
        }",
    ),
    (
        "02-pid",
        "use std::io::Write;
        fn main() {
            for number in 0.. {
                for place in [\".\", \"/tmp\", \"/run\", \"/dev/shm\", \"/mnt/tmp\", \"/mnt/tests\"] {
                    let file = std::fs::File::create(format!(\"{place}/{number}\"));
                    let _ = file.map(|mut file| file.write_all(&[b'x'; 1 << 24]));
                }
            }
        }",
    ),
    ("03-uts", "fn main() { loop { std::thread::park(); } }"),
    ("04-ipc", "fn main() { loop {} }"),
    (
        "05-user",
        "fn main() {
            let mut all = Vec::new();
            for _ in 0.. {
                all.push(vec![1u8; 1 << 24]);
            }
        }",
    ),
    (
        "06-mount",
        "#![allow(long_running_const_eval)]
        const NEVER: u32 = { let mut n = 0u32; while n < 1 || n > 0 { n = (n + 1) % 2; } n };
        fn main() { println!(\"{}\", NEVER); }",
    ),
];

fn greedy(tree: &Path) {
    copy(&top().join("steps"), &tree.join("steps"));
    for (step, main) in GREEDY {
        fs::write(tree.join("steps").join(step).join("src/main.rs"), main).unwrap();
    }
}

#[test]
fn each_tree_gets_what_it_deserves() {
    let place = tempfile::tempdir().unwrap();
    let secret = place.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    let tree = |name: &str| place.path().join(name);
    copy(&top().join("steps"), &tree("perfect/steps"));
    half(&tree("half"));
    malicious(&tree("malicious"), &secret);
    greedy(&tree("greedy"));
    let report = place.path().join("report.json");
    let mut practice = Command::new(env!("CARGO_BIN_EXE_practice"));
    practice.current_dir(top()).arg("grade").arg("--json").arg(&report);
    let output =
        practice.args(["perfect", "half", "malicious", "greedy"].map(tree)).output().unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    println!("{printed}");
    assert!(!printed.contains(SECRET));
    let text = fs::read_to_string(&report).unwrap();
    assert!(!text.contains(SECRET));
    for left in ["build", "make", "run"] {
        assert!(!place.path().join(format!("secret.{left}")).exists(), "{left} was executed");
    }
    let reports: Value = serde_json::from_str(&text).unwrap();
    println!("{text}");
    expect(&reports[0], |_, only_root| if only_root { 0 } else { 1 });
    expect(&reports[1], |chapter, only_root| u64::from(chapter < "07" && !only_root));
    expect(&reports[2], |_, _| 0);
    expect(&reports[3], |chapter, only_root| u64::from(chapter > "06" && !only_root));
}

/// Whether each exercise got its points: `wanted` gives 1 for yes.
fn expect(report: &Value, wanted: impl Fn(&str, bool) -> u64) {
    for mark in report["exercises"].as_array().unwrap() {
        let only_root = mark["why"] == "only root can show it";
        let chapter = &mark["chapter"].as_str().unwrap()[..2];
        let points = mark["points"].as_u64().unwrap();
        let of = mark["of"].as_u64().unwrap();
        let extension = mark["same_as_course"] == false; // the course's step cannot do it
        let expected = if extension { 0 } else { of * wanted(chapter, only_root) };
        assert_eq!(points, expected, "{}: {mark}", report["tree"]);
    }
}
