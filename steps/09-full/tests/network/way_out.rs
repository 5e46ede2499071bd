//! `--internet`.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Claim, Identity, Launch, Process, Step, holds, introduces, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::internet::{
    ADDRESS, BY_TCP, BY_UDP, Internet, NAME, ROUTER, open_tun, with_each_program,
};

pub fn claims() -> Vec<Claim> {
    vec![
        introduces("a server of the Internet is reached by TCP, by UDP, and by its name", |step| {
            let _internet = with_tun(step)?;
            with_each_program(step, || {
                for (to, expected) in [
                    (format!("tcp/{ADDRESS}/80"), BY_TCP),
                    (format!("udp/{ROUTER}/7"), BY_UDP),
                    (format!("tcp/{NAME}/80"), BY_TCP),
                ] {
                    let heard = ask(&step.launch().flag("--internet"), &to)?;
                    step.expect(to, heard).equals(expected)?;
                }
                Ok(())
            })
        }),
        introduces(
            "without --internet nothing is reached, and there is no further interface",
            |step| {
                let _internet = with_tun(step)?;
                let links = step.output(&["cat", "/proc/net/dev"])?.stdout;
                step.expect("tap0", links.contains("tap0")).equals(false)?;
                let heard = ask(&step.launch(), &format!("tcp/{ADDRESS}/80"))?;
                step.expect("heard", heard).equals("")?;
                let links =
                    step.launch().flag("--internet").output(&["cat", "/proc/net/dev"])?.stdout;
                step.expect("tap0 with it", links.contains("tap0")).equals(true)
            },
        ),
        holds("what the machine offers only to itself stays closed", |step| {
            let _internet = with_tun(step)?;
            let server = crate::neighbours::program("server");
            let mut server = step.on_host().spawn(&[&server, "4714"])?;
            wait_until("it listens", Duration::from_secs(2), || {
                Ok(step.on_host().output(&["cat", "/proc/net/tcp"])?.stdout.contains(":126A"))
            })?;
            with_each_program(step, || {
                let launch = step.launch().flag("--internet");
                for gateway in ["10.0.2.2", "10.0.2.3"] {
                    let heard = ask(&launch, &format!("tcp/{gateway}/4714"))?;
                    step.expect(gateway, heard).equals("")?;
                }
                Ok(())
            })?;
            server.kill()
        }),
        introduces(
            "--dns says which name server the container asks, the tree stays as it is",
            |step| {
                let _internet = with_tun(step)?;
                let launch = step.launch().flag("--internet");
                let inside = launch.clone().option("--dns", "203.0.113.1");
                let servers = inside.output(&["cat", "/etc/resolv.conf"])?;
                step.expect("servers", servers.line()).equals("nameserver 203.0.113.1")?;
                let heard = ask(&inside, &format!("tcp/{NAME}/80"))?;
                step.expect("by name", heard).equals(BY_TCP)?;
                let servers = launch.output(&["cat", "/etc/resolv.conf"])?;
                step.expect("by default", servers.line()).equals("nameserver 10.0.2.3")?;
                step.expect("in the tree", step.output(&["cat", "/etc/resolv.conf"])?.line())
                    .equals("")
            },
        ),
        introduces("nothing of the host's network is changed but for the cable", |step| {
            let _internet = with_tun(step)?;
            let before = network(step)?;
            let _container = step.launch().flag("--internet").start(&["sleep", "30"])?;
            step.expect("settings and interfaces", network(step)?).equals(before)?;
            step.expect("programs", programs(step)?.len()).equals(1)
        }),
        holds("no mount of the host is changed, though all are shared", |step| {
            let shared = step.with_shared_mounts()?;
            let _internet = with_tun(&shared)?;
            let mounts = || shared.host().process().file("mountinfo");
            let before = mounts()?;
            shared.launch().flag("--internet").output(&["true"])?;
            step.expect("the host's mounts", mounts()?).equals(before)
        }),
        introduces("the program ends within two seconds of the launcher's SIGKILL", |step| {
            let _internet = with_tun(step)?;
            with_each_program(step, || {
                let mut container = step.launch().flag("--internet").start(&["sleep", "30"])?;
                step.expect("programs", programs(step)?.len()).equals(1)?;
                container.kill_launcher()?;
                wait_until("it ends", Duration::from_secs(2), || Ok(programs(step)?.is_empty()))
            })
        }),
        introduces("it ends with the process that watches over it, too", |step| {
            let _internet = with_tun(step)?;
            let _container = step.launch().flag("--internet").start(&["sleep", "30"])?;
            let found = programs(step)?;
            step.expect("programs", found.len()).equals(1)?;
            let guard = Pid::from_raw(found[0].status("PPid")?.parse().context("PPid")?);
            kill(guard, Signal::SIGKILL).context("kill")?;
            wait_until("it ends", Duration::from_secs(2), || Ok(programs(step)?.is_empty()))
        }),
        holds("it ends with the container", |step| {
            let _internet = with_tun(step)?;
            step.launch().flag("--internet").output(&["true"])?;
            wait_until("it ends", Duration::from_secs(2), || Ok(programs(step)?.is_empty()))
        }),
        introduces("where /dev/net/tun is closed to a user, the error names it", |step| {
            let _internet = Internet::connect(step)?;
            if step.on_host().attempt(&["test", "-r", "/dev/net/tun"])?.code() == 0 {
                return harness::skip("/dev/net/tun is open to this user");
            }
            let refused = step.launch().flag("--internet").attempt(&["true"])?;
            step.expect("exit code", refused.code()).equals(125)?;
            step.expect("error", refused.stderr)
                .satisfies("/dev/net/tun", |error| error.contains("/dev/net/tun is closed to you"))
        })
        .only(Identity::User),
        introduces("a name server that cannot be asked from inside is refused at once", |step| {
            for address in ["::1", "127.0.0.53", "example.com"] {
                let launch = step.launch().flag("--internet").option("--dns", address);
                let refused = launch.attempt(&["true"])?;
                step.expect(address, refused.code()).equals(2)?;
                step.expect("error", refused.stderr)
                    .satisfies(address, |error| error.contains(address))?;
            }
            let alone = step.launch().option("--dns", "203.0.113.1").attempt(&["true"])?;
            step.expect("without --internet", alone.code()).equals(2)
        }),
    ]
}

fn with_tun(step: &Step) -> Result<Internet> {
    let internet = Internet::connect(step)?;
    open_tun(step)?;
    Ok(internet)
}

/// Connects, and prints the first line of the answer. A command of its own reads it, because the
/// shell takes a datagram's first byte only.
fn ask(launch: &Launch<'_>, to: &str) -> Result<String> {
    let script = format!("exec 3<>/dev/{to} && echo >&3 && head -n 1 <&3");
    let output = launch.attempt(&["timeout", "3", "bash", "-c", &script])?;
    Ok(output.line().to_owned())
}

/// What forwarding would change, and the names of the interfaces except the containers' cables.
fn network(step: &Step) -> Result<Vec<String>> {
    let forward = step.on_host().output(&["cat", "/proc/sys/net/ipv4/ip_forward"])?.stdout;
    let devices = step.on_host().output(&["cat", "/proc/net/dev"])?.stdout;
    let names = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    Ok([forward].into_iter().chain(names.filter(|name| !name.starts_with("veth"))).collect())
}

/// The programs that pass packets on, in the network of the step's host.
fn programs(step: &Step) -> Result<Vec<Process>> {
    let net = step.host().ns("net")?;
    let mut found = harness::processes_with_argument("tap0");
    found.retain(|process| process.runs() && process.ns("net").is_ok_and(|it| it == net));
    Ok(found)
}
