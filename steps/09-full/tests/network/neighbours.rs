//! `--network`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Claim, Container, Step, holds, introduces, wait_until};

const GREETING: &str = "Received 25 bytes :hello from the other side";

pub fn claims() -> Vec<Claim> {
    vec![
        introduces("neighbours reach each other by address and by name", |step| {
            let _db = server(step, "back")?;
            let address = address_of(step, &member(step, "back", "probe"), "db")?;
            let client = member(step, "back", "app").output(&["client", &address])?;
            step.expect("by address", client.line()).equals(GREETING)?;
            let ask = "exec 3<>/dev/tcp/db/4711; read -n 5 -r word <&3; echo $word";
            let heard = member(step, "back", "app").output(&["bash", "-c", ask])?;
            step.expect("by name", heard.line()).equals("hello")
        }),
        introduces("a neighbour that starts later is known, and forgotten when it ends", |step| {
            let app = member(step, "back", "app").start(&["sleep", "30"])?;
            let known = || Ok(app.payload.inside("/etc/hosts")).and_then(hosts);
            step.expect("before", known()?.contains("\tdb\n")).equals(false)?;
            let mut db = member(step, "back", "db").start(&["sleep", "30"])?;
            step.expect("while it runs", known()?.contains("\tdb\n")).equals(true)?;
            db.signal_payload(9)?;
            db.wait()?;
            step.expect("afterwards", known()?.contains("\tdb\n")).equals(false)?;
            step.expect("its own name", known()?.contains("\tcontainer\n")).equals(true)
        }),
        introduces(
            "the network outlives the launcher that made it, and ends with the last",
            |step| {
                let mut first = member(step, "back", "first").start(&["sleep", "30"])?;
                let launchers = step.host().ns("net")?;
                let mut db = server(step, "back")?;
                let network = db.launcher.ns("net")?;
                step.expect("the launchers' network", network.clone()).differs_from(launchers)?;
                step.expect("of both", first.launcher.ns("net")?).equals(network.as_str())?;
                first.kill_launcher()?;
                let client =
                    member(step, "back", "app").output(&["client", &own_address(step, &db)?])?;
                step.expect("client", client.line()).equals(GREETING)?;
                db.kill_launcher()?;
                wait_until("no process is there", Duration::from_secs(2), || {
                    let there = |process: &harness::Process| {
                        process.runs() && process.ns("net").is_ok_and(|it| it == network)
                    };
                    Ok(!harness::Process::all().iter().any(there))
                })?;
                member(step, "back", "db").output(&["true"]).map(drop)
            },
        ),
        introduces("another network neither knows nor reaches them", |step| {
            let db = server(step, "back")?;
            let (address, other) = (own_address(step, &db)?, member(step, "front", "app"));
            let names = other.output(&["cat", "/etc/hosts"])?.stdout;
            step.expect("db in /etc/hosts", names.contains("\tdb\n")).equals(false)?;
            let client = other.attempt(&["timeout", "1", "client", &address])?;
            step.expect("client", client.line()).differs_from(GREETING)
        }),
        introduces("the host reaches a member by its published port", |step| {
            let mut db =
                member(step, "back", "db").option("--publish", "4712:4711").start(&["server"])?;
            db.read_line()?;
            let client = step.on_host().output(&[&program("client"), "127.0.0.1", "4712"])?;
            step.expect("client", client.line()).equals(GREETING)
        }),
        introduces("nobody inside writes to the file that launchers write", |step| {
            let script = "echo 10.0.0.1 db >> /etc/hosts; id -u; cat /etc/hosts";
            let output = member(step, "back", "app").attempt(&["sh", "-c", script])?;
            step.expect("uid", output.stdout.lines().next()).equals(Some("0"))?;
            step.expect("10.0.0.1", output.stdout.contains("10.0.0.1")).equals(false)
        }),
        holds("nothing of a killed member is left in the registry after the next start", |step| {
            let mut app = member(step, "back", "app").start(&["sleep", "30"])?;
            app.kill_launcher()?;
            let db = member(step, "back", "db").start(&["sleep", "30"])?;
            let known = hosts(db.payload.inside("/etc/hosts"))?;
            step.expect("app in /etc/hosts", known.contains("\tapp\n")).equals(false)
        }),
        introduces("a bad name of a network is a usage error", |step| {
            for name in ["", "../x", "7", "a b", "ä"] {
                let refused = step.launch().option("--network", name).attempt(&["true"])?;
                step.expect(name, refused.code()).equals(2)?;
            }
            Ok(())
        }),
        holds("an ordinary user's program pings without a right", |step| {
            let setting = step.output(&["cat", "/proc/sys/net/ipv4/ping_group_range"])?;
            let range: Vec<u64> =
                setting.line().split_whitespace().filter_map(|id| id.parse().ok()).collect();
            step.expect("first and last group", range).satisfies(
                "0 to more",
                |range| matches!(range[..], [0, last] if last < 65536 || last > 0),
            )
        }),
    ]
}

fn member<'a>(step: &'a Step, network: &str, name: &str) -> harness::Launch<'a> {
    step.launch().option("--network", network).option("--name", name)
}

fn server(step: &Step, network: &str) -> Result<Container> {
    let mut container = member(step, network, "db").start(&["server"])?;
    container.read_line().context("the server listens")?;
    Ok(container)
}

/// The address by which a member knows a neighbour.
fn address_of(step: &Step, probe: &harness::Launch<'_>, name: &str) -> Result<String> {
    let hosts = probe.output(&["cat", "/etc/hosts"])?.stdout;
    let line = hosts.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix('\t'));
    step.expect(format!("{name} in /etc/hosts"), line.is_some()).equals(true)?;
    Ok(line.context("no such line")?.to_owned())
}

fn own_address(step: &Step, container: &Container) -> Result<String> {
    let hosts = hosts(container.payload.inside("/etc/hosts"))?;
    let line = hosts.lines().find_map(|line| line.strip_suffix("\tcontainer"));
    step.expect("own name in /etc/hosts", line.is_some()).equals(true)?;
    Ok(line.context("no own address")?.to_owned())
}

fn hosts(path: impl AsRef<Path>) -> Result<String> {
    std::fs::read_to_string(path).context("read /etc/hosts inside")
}

/// A program of this workspace, to be run on the host.
pub fn program(name: &str) -> String {
    Path::new(env!("CARGO_BIN_EXE_enter")).with_file_name(name).display().to_string()
}
