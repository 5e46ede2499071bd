//! What the extensions of chapter 07 claim. The course's step fails them; `make check-07` runs them
//! while such an exercise is open.

use std::process::ExitCode;

use anyhow::{Context, Result};
use harness::{Process, chapter, holds};

fn main() -> ExitCode {
    chapter(
        "07-net",
        vec![
            holds("with --no-cable there is only lo, and it is up", |step| {
                let container = step.launch().flag("--no-cable").start(&["sleep", "30"])?;
                step.expect("interfaces that are up", up(container.payload)?).equals(["lo"])
            }),
            holds("with --no-cable no interface appears on the host", |step| {
                step.expect("the step has --no-cable", step.has("--no-cable")?).equals(true)?;
                let before = names(step.host().process())?;
                let _container = step.launch().flag("--no-cable").start(&["sleep", "30"])?;
                let after = names(step.host().process())?;
                step.expect("interfaces of the host", after).equals(before)
            }),
            holds("with --no-cable the network namespace is still its own", |step| {
                step.expect("the step has --no-cable", step.has("--no-cable")?).equals(true)?;
                let container = step.launch().flag("--no-cable").start(&["sleep", "30"])?;
                step.expect("network namespace of the payload", container.payload.ns("net")?)
                    .differs_from(container.launcher.ns("net")?)
            }),
            holds("with --mtu eth0 has that MTU", |step| {
                let container = step.launch().option("--mtu", "1280").start(&["sleep", "30"])?;
                step.expect("MTU of eth0", mtu(container.payload, "eth0")?).equals("1280")
            }),
            holds("with --mtu the host's end has it, too", |step| {
                let container = step.launch().option("--mtu", "1280").start(&["sleep", "30"])?;
                step.expect("MTU of the veth outside", mtu(container.launcher, "veth")?)
                    .equals("1280")
            }),
            holds("without --mtu both have the kernel's default", |step| {
                let container = step.start(&["sleep", "30"])?;
                let found = [mtu(container.payload, "eth0")?, mtu(container.launcher, "veth")?];
                step.expect("MTU of both", found).equals(["1500", "1500"])
            }),
        ],
    )
}

fn links(process: Process, words: &[&str]) -> Result<Vec<String>> {
    let command = [&["ip", "-o", "link", "show"], words].concat();
    Ok(process.run_in(&["net"], &command)?.lines().map(str::to_owned).collect())
}

fn name(line: &str) -> Option<String> {
    let name = line.split(": ").nth(1)?;
    Some(name.split('@').next().unwrap_or(name).to_owned())
}

fn up(process: Process) -> Result<Vec<String>> {
    Ok(links(process, &["up"])?.iter().filter_map(|line| name(line)).collect())
}

fn names(process: Process) -> Result<Vec<String>> {
    Ok(links(process, &[])?.iter().filter_map(|line| name(line)).collect())
}

/// The MTU of the interface whose name begins so.
fn mtu(process: Process, begins: &str) -> Result<String> {
    let lines = links(process, &[])?;
    let line = lines.iter().find(|line| name(line).is_some_and(|name| name.starts_with(begins)));
    let line = line.with_context(|| format!("no interface {begins}"))?;
    let mtu = line.split_once(" mtu ").and_then(|(_, rest)| rest.split(' ').next());
    mtu.map(str::to_owned).context("no mtu")
}
