//! What chapter 07 claims, checked against the kernel.

use std::fs::read_dir;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::{Container, Identity, Step, chapter, holds, introduces};
use nix::errno::Errno;

/// Free for the taking in every network namespace that an experiment makes.
const PORT: &str = "4713";

/// An address to ask for, and the one that the host's end of the cable takes then.
const IP: &str = "10.77.0.9/24";
const HOST: &str = "10.77.0.1";

fn main() -> ExitCode {
    chapter(
        "07-net",
        vec![
            introduces("the container has a network namespace of its own", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("network namespace of the payload", container.payload.ns("net")?)
                    .differs_from(container.launcher.ns("net")?)
            }),
            introduces("it has two interfaces, lo and eth0", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("interfaces", interfaces(&container)?).equals(["eth0", "lo"])
            }),
            introduces("both are up", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("network namespace of the payload", container.payload.ns("net")?)
                    .differs_from(container.launcher.ns("net")?)?; // the host, too, may have two that are up
                let up = container.payload.run_in(&["net"], &["ip", "-o", "link", "show", "up"])?;
                step.expect("interfaces that are up", up.lines().count()).equals(2)
            }),
            introduces("eth0 has the address that was asked for", |step| {
                let container = step.launch().option("--ip", IP).start(&["sleep", "30"])?;
                step.expect("addresses", addresses(&container)?).equals(["127.0.0.1/8", IP])
            }),
            introduces("the default route leads to the host's end of the cable", |step| {
                let container = step.launch().option("--ip", IP).start(&["sleep", "30"])?;
                let route =
                    container.payload.run_in(&["net"], &["ip", "route", "show", "default"])?;
                step.expect("default route", route).satisfies(HOST, |route| route.contains(HOST))
            }),
            introduces("a client in the parent's namespace hears the server inside", |step| {
                let mut container = step.launch().option("--ip", IP).start(&["server"])?;
                container.read_line().context("the server listens")?;
                let (address, _) = IP.split_once('/').context("an address")?;
                let client = [env!("CARGO_BIN_EXE_client"), address];
                let heard = container
                    .launcher
                    .run_in(&["net"], &client)
                    .unwrap_or_else(|error| format!("{error:#}"));
                step.expect("client", heard).equals("Received 25 bytes :hello from the other side")
            }),
            introduces("a port that is taken on the host is free inside", |step| {
                let host = step.on_host().spawn(&[env!("CARGO_BIN_EXE_server"), PORT])?;
                wait_for(step, PORT)?;
                let inside = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
                let bound = step.try_call(&inside, &["bind", PORT])?;
                drop(host);
                step.expect("bind inside", bound).equals(Ok(()))
            }),
            introduces("a service on the host's loopback is not reached from inside", |step| {
                let host = step.on_host().spawn(&[env!("CARGO_BIN_EXE_server"), PORT])?;
                wait_for(step, PORT)?;
                let inside = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
                let connected = step.try_call(&inside, &["connect", PORT])?;
                drop(host);
                step.expect("connect inside", connected).equals(Err(Errno::ECONNREFUSED))
            }),
            introduces("/sys/class/net shows the container's interfaces", |step| {
                let container = step.start(&["sleep", "30"])?;
                let mut names: Vec<String> =
                    match read_dir(container.payload.inside("/sys/class/net")) {
                        Ok(entries) => entries
                            .flatten()
                            .map(|entry| entry.file_name().display().to_string())
                            .collect(),
                        Err(_) => Vec::new(),
                    };
                names.sort();
                step.expect("/sys/class/net", names).equals(["eth0", "lo"])
            }),
            introduces("/sys can only be read", |step| {
                let mounts = step.start(&["sleep", "30"])?.payload.mounts()?;
                let options = mounts
                    .into_iter()
                    .rfind(|mount| mount.point == "/sys")
                    .map(|mount| mount.options);
                step.expect("options of the mount on /sys", options)
                    .satisfies("ro, and not rw", |options| {
                        options.as_ref().is_some_and(|options| options.starts_with("ro,"))
                    })
            })
            .hint("net::mount_sysfs in steps/07-net/src/lib.rs"),
            holds("two containers side by side have different addresses", |step| {
                let (one, other) = (step.start(&["sleep", "30"])?, step.start(&["sleep", "30"])?);
                step.expect("address of the one", addresses(&one)?).differs_from(addresses(&other)?)
            })
            .only(Identity::Root),
            holds("an address that is in use is refused, and its owner keeps it", |step| {
                let launch = step.launch().option("--ip", IP);
                let first = launch.start(&["sleep", "30"])?;
                step.expect("exit code of a second one", launch.attempt(&["true"])?.code())
                    .equals(125)?;
                step.expect("address of the first", addresses(&first)?).equals(["127.0.0.1/8", IP])
            })
            .only(Identity::Root),
            holds("of eight that want the same address at once one has it at a time", |step| {
                let launch = step.launch().option("--ip", IP);
                let starts =
                    (0..8).map(|_| launch.spawn(&["sleep", "0.2"])).collect::<Result<Vec<_>>>()?;
                let mut codes = Vec::new();
                for mut start in starts {
                    codes.push(start.wait()?.code());
                }
                step.expect("exit codes", codes)
                    .satisfies("0 or 125, and 0 at least once", |codes| {
                        codes.contains(&0) && codes.iter().all(|code| [0, 125].contains(code))
                    })
            })
            .only(Identity::Root),
            holds("two routes that together lead everywhere are a default route", |step| {
                routes(step, &["0.0.0.0/1 dev lo", "128.0.0.0/1 dev lo"])?;
                step.expect("exit code", step.launch().attempt(&["true"])?.code()).equals(0)?;
                let launch = step.launch().option("--ip", IP);
                step.expect("exit code with --ip", launch.attempt(&["true"])?.code()).equals(0)
            })
            .only(Identity::Root),
            holds("a network behind a VPN is left alone where another one is free", |step| {
                routes(step, &["0.0.0.0/1 dev lo", "128.0.0.0/1 dev lo", "10.0.0.0/8 dev lo"])?;
                let container = step.start(&["sleep", "30"])?;
                step.expect("addresses", addresses(&container)?)
                    .satisfies("in the other pool, 172.29.0.0/16", |addresses| {
                        addresses.iter().any(|address| address.starts_with("172.29."))
                    })
            })
            .only(Identity::Root),
            holds("whatever routes say of the private addresses, a subnet is found", |step| {
                for kind in ["blackhole", "prohibit", "unreachable", "throw", "unicast"] {
                    let device = if kind == "unicast" { "dev lo" } else { "" };
                    let route = |net| format!("{kind} {net} {device}");
                    let (ten, other) = (route("10.0.0.0/8"), route("172.16.0.0/12"));
                    routes(step, &[&ten, &other])?;
                    step.expect(kind, step.launch().attempt(&["true"])?.code()).equals(0)?;
                    for route in [ten, other] {
                        ip(step, "del", &route)?;
                    }
                }
                Ok(())
            })
            .only(Identity::Root),
            holds("a network that the host is in is not taken", |step| {
                let host = step.host().process();
                host.run_in(&["net"], &["ip", "addr", "add", "10.78.0.1/16", "dev", "lo"])?;
                let launch = step.launch().option("--ip", "10.78.3.2/24");
                step.expect("exit code", launch.attempt(&["true"])?.code()).equals(125)
            })
            .only(Identity::Root),
            holds("a connection that the payload makes at once is answered at once", |step| {
                let server = step.on_host().spawn(&[env!("CARGO_BIN_EXE_server"), PORT])?;
                wait_for(step, PORT)?;
                let mut times = Vec::new();
                for _ in 0..30 {
                    let launch = step.launch().option("--ip", IP);
                    let begin = Instant::now();
                    step.expect("exit code", launch.output(&["client", HOST, PORT])?.code())
                        .equals(0)?;
                    times.push(begin.elapsed());
                }
                drop(server);
                // An unanswered request is repeated after a second, on a slow machine, too.
                let usual = *times.iter().min().context("no start")?;
                let slow = times.iter().filter(|&&it| it > usual + Duration::from_millis(900));
                step.expect("starts that took a second longer", slow.count()).equals(0)
            })
            .only(Identity::Root),
            holds("the cable is gone with the container", |step| {
                let links = || step.host().process().run_in(&["net"], &["ip", "-o", "link"]);
                let before = links()?;
                drop(step.start(&["sleep", "30"])?);
                let gone = || Ok(links()? == before);
                harness::wait_until("the veth pair goes", std::time::Duration::from_secs(2), gone)
            }),
        ],
    )
}

fn interfaces(container: &Container) -> Result<Vec<String>> {
    let table = container.payload.file("net/dev")?;
    let mut names: Vec<String> =
        table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect();
    names.sort();
    Ok(names)
}

fn addresses(container: &Container) -> Result<Vec<String>> {
    let lines = container.payload.run_in(&["net"], &["ip", "-o", "-4", "addr"])?;
    let address = |line: &str| Some(line.split_once(" inet ")?.1.split(' ').next()?.to_owned());
    Ok(lines.lines().filter_map(address).collect())
}

/// Waits until somebody on the host listens on its loopback.
fn wait_for(step: &Step, port: &str) -> Result<()> {
    let listens = || Ok(step.try_call(&step.on_host(), &["connect", port])? == Ok(()));
    harness::wait_until("the host's server listens", std::time::Duration::from_secs(2), listens)
}

/// Adds routes to the host's network.
fn routes(step: &Step, routes: &[&str]) -> Result<()> {
    routes.iter().try_for_each(|route| ip(step, "add", route))
}

fn ip(step: &Step, action: &str, route: &str) -> Result<()> {
    let words: Vec<&str> = ["ip", "route", action].into_iter().chain(route.split(' ')).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    step.host().process().run_in(&["net"], &words).map(drop)
}
