//! Opens every page in Chromium, without a window: at two widths, in two themes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::server;

/// A page that loads all others in a frame, measures them, and posts what is wrong.
const CHECK: &str = include_str!("check.html");

/// The program that builds the book.
pub const MDBOOK: &[&str] = &["mdbook"];

/// One of these is enough.
pub const CHROMIUM: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// All pages take 40 seconds; on a busy machine, five minutes were not enough.
const LIMIT: Duration = Duration::from_secs(900);

const OPTIONS: [&str; 11] = [
    "--headless",
    "--no-sandbox", // root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1300,1000",
    "--enable-logging=stderr",
];

/// Ends the browser whatever happens.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No page can be scrolled sideways, no picture is broken, no error is reported.
pub fn every_page() -> Result<()> {
    let place = tempfile::tempdir()?;
    let (book, log) = (place.path().join("book"), place.path().join("log"));
    let built = Command::new(crate::find(MDBOOK)?)
        .args(["build", "docs", "--dest-dir"])
        .arg(&book)
        .current_dir(crate::top())
        .stderr(File::create(&log)?)
        .status()?;
    ensure!(built.success(), "mdbook build fails:\n{}", fs::read_to_string(&log)?);
    let pages = crate::pages::files(&book)?;
    let names = pages.iter().filter_map(|page| page.file_name()?.to_str());
    let names: Vec<&str> = names
        .filter(|name| name.ends_with(".html") && !["toc.html", "print.html"].contains(name))
        .collect();
    ensure!(names.len() > 30, "only {} pages", names.len());
    let (sender, reports) = channel();
    let check = CHECK.replace("PAGES", &serde_json::to_string(&names)?);
    let port = server::start(book, check, sender)?;
    let _browser = Browser(
        Command::new(crate::find(CHROMIUM)?)
            .args(OPTIONS)
            .arg(format!("--user-data-dir={}", place.path().join("profile").display()))
            .arg(format!("http://127.0.0.1:{port}/check"))
            .env("TMPDIR", place.path()) // it leaves a directory there
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?,
    );
    let report = reports.recv_timeout(LIMIT).context("the browser is silent")?;
    let log = fs::read_to_string(&log)?;
    // Time and process number come first, and what was reported last.
    let errors = log.lines().filter_map(|line| Some(line.split_once(":CONSOLE")?.1));
    let wrong: BTreeSet<&str> = report.lines().chain(errors).collect();
    ensure!(wrong.is_empty(), "\n{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
    Ok(())
}
