//! queue: sends, lists and receives messages, to show which processes share a message queue
//! (sysvipc(7), mq_overview(7)).

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use common::{Operation, Tried};
use libc::{IPC_CREAT, IPC_NOWAIT, IPC_RMID, c_int, c_long, key_t, msqid_ds};
use nix::errno::Errno;
use nix::mqueue::{
    MQ_OFlag, MqAttr, MqdT, mq_attr_member_t, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink,
};
use nix::sys::stat::Mode;

/// Sends, lists and receives messages through System V queues, whose KEY is a number, or POSIX
/// queues, whose KEY is a /name
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Put TEXT into the queue, and create the queue if it does not exist
    Send { key: Key, text: String },
    /// Show all queues that this process can see
    List,
    /// Take the oldest message out of the queue and print it
    Receive { key: Key },
    /// Remove the queue with all its messages
    Remove { key: Key },
}

#[derive(Clone)]
enum Key {
    SystemV(key_t),
    Posix(String),
}

/// The longest message that we send or receive.
const SIZE: usize = 4096;

/// What msgsnd(2) and msgrcv(2) transfer: a positive type, then the text.
#[repr(C)]
struct Message {
    kind: c_long,
    text: [u8; SIZE],
}

fn main() -> ExitCode {
    common::run(|args: Args| match args.action {
        Action::Send { key, text } if text.len() > SIZE => {
            bail!("send to {key}: more than {SIZE} bytes")
        }
        Action::Send { key: Key::SystemV(key), text } => system_v_send(key, text.as_bytes()),
        Action::Send { key: Key::Posix(name), text } => posix_send(&name, text.as_bytes()),
        Action::List => list(),
        Action::Receive { key: Key::SystemV(key) } => print(&system_v_receive(key)?),
        Action::Receive { key: Key::Posix(name) } => print(&posix_receive(&name)?),
        Action::Remove { key: Key::SystemV(key) } => system_v_remove(key),
        Action::Remove { key: Key::Posix(name) } => {
            mq_unlink(&*name).tried(Operation::OpenQueue, format_args!("mq_unlink {name}"))
        }
    })
}

fn print(text: &[u8]) -> Result<()> {
    println!("{}", String::from_utf8_lossy(text));
    Ok(())
}

fn msgget(key: key_t, flags: c_int) -> Result<c_int> {
    // SAFETY: it takes only integers.
    Errno::result(unsafe { libc::msgget(key, flags) })
        .tried(Operation::OpenQueue, format_args!("msgget {key}"))
}

fn system_v_send(key: key_t, text: &[u8]) -> Result<()> {
    let id = msgget(key, IPC_CREAT | 0o600)?;
    let mut message = Message { kind: 1, text: [0; SIZE] };
    message.text[..text.len()].copy_from_slice(text);
    // SAFETY: the message has the layout that msgsnd(2) requires, and the text is not longer than
    // its field.
    let result = unsafe { libc::msgsnd(id, (&raw const message).cast(), text.len(), IPC_NOWAIT) };
    Errno::result(result).map(drop).tried(Operation::SendMessage, format_args!("msgsnd {key}"))
}

fn system_v_receive(key: key_t) -> Result<Vec<u8>> {
    let id = msgget(key, 0)?;
    let mut message = Message { kind: 0, text: [0; SIZE] };
    // SAFETY: as in system_v_send; the kernel writes no more than SIZE bytes of text.
    let length = unsafe { libc::msgrcv(id, (&raw mut message).cast(), SIZE, 0, IPC_NOWAIT) };
    let length =
        Errno::result(length).tried(Operation::ReceiveMessage, format_args!("msgrcv {key}"))?;
    Ok(message.text[..length as usize].to_vec())
}

fn system_v_remove(key: key_t) -> Result<()> {
    let id = msgget(key, 0)?;
    // SAFETY: IPC_RMID takes no structure.
    let result = unsafe { libc::msgctl(id, IPC_RMID, std::ptr::null_mut()) };
    Errno::result(result).map(drop).with_context(|| format!("msgctl {key} IPC_RMID"))
}

fn posix_open(name: &str, flags: MQ_OFlag) -> Result<MqdT> {
    let attributes = MqAttr::new(0, 10, SIZE as mq_attr_member_t, 0);
    mq_open(name, flags | MQ_OFlag::O_NONBLOCK, Mode::S_IRUSR | Mode::S_IWUSR, Some(&attributes))
        .tried(Operation::OpenQueue, format_args!("mq_open {name}"))
}

fn posix_send(name: &str, text: &[u8]) -> Result<()> {
    let queue = posix_open(name, MQ_OFlag::O_WRONLY | MQ_OFlag::O_CREAT)?;
    mq_send(&queue, text, 0).tried(Operation::SendMessage, format_args!("mq_send {name}"))
}

fn posix_receive(name: &str) -> Result<Vec<u8>> {
    let queue = posix_open(name, MQ_OFlag::O_RDONLY)?;
    let size = mq_getattr(&queue).context("mq_getattr")?.msgsize();
    let mut text = vec![0; size as usize];
    let length = mq_receive(&queue, &mut text, &mut 0)
        .tried(Operation::ReceiveMessage, format_args!("mq_receive {name}"))?;
    Ok(text[..length].to_vec())
}

/// Lists the System V queues from the kernel's own table, as `ipcs -q` does without /proc, and the
/// POSIX queues, which are files.
fn list() -> Result<()> {
    println!("{:<12} {:>10} {:>9}", "KEY", "ID", "MESSAGES");
    // SAFETY: all fields are integers.
    let mut queue: msqid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: for MSG_INFO the kernel fills a `struct msginfo`, which is smaller than msqid_ds.
    let last = unsafe { libc::msgctl(0, libc::MSG_INFO, &mut queue) };
    for index in 0..=Errno::result(last).context("msgctl MSG_INFO")? {
        // SAFETY: MSG_STAT fills the structure; an unused index is an error.
        let id = unsafe { libc::msgctl(index, libc::MSG_STAT, &mut queue) };
        if id >= 0 {
            println!("{:<12} {id:>10} {:>9}", queue.msg_perm.__key, queue.msg_qnum);
        }
    }
    list_posix(Path::new("/dev/mqueue"))
}

fn list_posix(directory: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) }; // mq_overview(7): mounted or not
    for entry in entries {
        let name = entry.context("readdir /dev/mqueue")?.file_name();
        let messages = posix_messages(&name).map_or_else(|_| "?".into(), |count| count.to_string());
        println!("/{:<11} {:>10} {messages:>9}", name.display(), "-");
    }
    Ok(())
}

fn posix_messages(name: &OsStr) -> Result<mq_attr_member_t> {
    let name = format!("/{}", name.display());
    let queue = mq_open(&*name, MQ_OFlag::O_RDONLY, Mode::empty(), None)?;
    Ok(mq_getattr(&queue)?.curmsgs())
}

impl std::str::FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Key::Posix(text.to_owned()));
        }
        let number = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).map(|key| key as key_t), // as ipcs(1) shows it
            None => text.parse(),
        };
        number.map(Key::SystemV).map_err(|_| "write a number (System V) or a /name (POSIX)".into())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::SystemV(key) => key.fmt(f),
            Key::Posix(name) => name.fmt(f),
        }
    }
}
