//! `make watch-NN`: judge again at each save.

use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecursiveMode, Watcher};

use crate::begin;
use crate::check::{Outcome, check};
use crate::course::Course;

/// Editors write a file in several moves; what comes within this time is one save.
const SETTLES: Duration = Duration::from_millis(150);

enum Message {
    Saved,
    Enter,
    End,
}

/// Until Ctrl-C, or until standard input ends and all holds.
pub fn watch(named: &str, sudo: Option<&str>) -> Result<()> {
    let mut course = Course::open()?;
    if course.opened()?.is_none() {
        begin::practice(&mut course, named, None)?;
    }
    let (chapter, _) = course.opened_in(named)?;
    let source = course.top.join("steps").join(&chapter.step).join("src");
    drop(course); // others, such as make hint-NN, need the memory meanwhile
    let (sender, messages) = channel();
    let _watcher = watcher(&source, sender.clone())?;
    thread::spawn(move || read_keys(&sender));
    loop {
        clear();
        let outcome = check(&mut Course::open()?, named, sudo)?;
        let next = outcome == Outcome::Solved;
        if next {
            settle(&messages); // what was just saved is our own
        }
        println!(
            "\n{}",
            if next {
                "Enter begins the next exercise; Ctrl-C leaves."
            } else {
                "Waiting for you to save; Ctrl-C leaves."
            }
        );
        match wait(&messages, next)? {
            Next::Check => {}
            Next::Exercise => {
                clear();
                begin::practice(&mut Course::open()?, named, None)?;
                settle(&messages);
                println!("\nWaiting for you to save; Ctrl-C leaves.");
                if let Next::Leave = wait(&messages, false)? {
                    return Ok(());
                }
            }
            Next::Leave => return Ok(()),
        }
    }
}

enum Next {
    Check,
    Exercise,
    Leave,
}

/// What comes next: a save, or Enter when the exercise is solved.
fn wait(messages: &Receiver<Message>, solved: bool) -> Result<Next> {
    loop {
        match messages.recv().context("nothing left to wait for")? {
            Message::Saved => {
                settle(messages);
                return Ok(Next::Check);
            }
            Message::Enter if solved => return Ok(Next::Exercise),
            Message::End if solved => return Ok(Next::Leave),
            _ => {}
        }
    }
}

/// Takes what comes within a moment for one save.
fn settle(messages: &Receiver<Message>) {
    while messages.recv_timeout(SETTLES).is_ok() {}
}

fn watcher(source: &Path, sender: Sender<Message>) -> Result<impl Watcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| saves(&event)) {
            let _ = sender.send(Message::Saved);
        }
    })
    .context("inotify")?;
    let what = || format!("watch {}", source.display());
    watcher.watch(source, RecursiveMode::Recursive).with_context(what)?;
    Ok(watcher)
}

/// Only what ends a save of Rust text: an editor's own files beside it do not count, nor our own.
fn saves(event: &Event) -> bool {
    let kind = matches!(
        event.kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Remove(_)
    );
    let rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    kind && event.paths.iter().any(rust)
}

fn read_keys(sender: &Sender<Message>) {
    for line in stdin().lock().lines() {
        if line.is_err() || sender.send(Message::Enter).is_err() {
            break;
        }
    }
    let _ = sender.send(Message::End);
}

/// One screen: what was there is pushed away, not erased.
fn clear() {
    if stdout().is_terminal() {
        print!("\x1b[H\x1b[2J");
        let _ = stdout().flush();
    }
}
