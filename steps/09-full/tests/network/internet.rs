//! The Internet of an experiment: a network namespace with servers for TCP, UDP and DNS, and a cable
//! from the host to it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Process, Step, skip, wait_until};
use nix::unistd::geteuid;

/// The argument with which this program plays the Internet.
pub const PLAY: &str = "play-the-internet";

/// Its end of the cable, where the servers for UDP and DNS are asked. (Their answers have no other
/// address.)
pub const ROUTER: &str = "203.0.113.1";

/// A machine there, its name, and what the servers answer on ports 80 (TCP) and 7 (UDP).
pub const ADDRESS: &str = "198.51.100.7";
pub const NAME: &str = "real.test";
pub const BY_TCP: &str = "by TCP";
pub const BY_UDP: &str = "by UDP";

/// While it lives, the host of the step has a way to the Internet.
pub struct Internet(Child);

impl Internet {
    pub fn connect(step: &Step) -> Result<Internet> {
        if !geteuid().is_root() {
            return skip("only root gives the host of an experiment a network");
        }
        if installed().next().is_none() {
            return skip("neither slirp4netns nor pasta is installed");
        }
        let program = env_exe()?;
        let mut play = Command::new("unshare");
        play.arg("--net").arg(program).arg(PLAY).stdout(Stdio::null());
        let internet = Internet(play.spawn().context("run unshare")?);
        let (there, here) = (internet.0.id(), std::process::id());
        let net = |pid: u32| Process { pid: pid as i32 }.ns("net");
        wait_until("the Internet", Duration::from_secs(5), || Ok(net(there)? != net(here)?))?;
        let host = step.host().process().pid as u32;
        run(
            host,
            "--net",
            &format!(
                "ip link add up0 type veth peer name in0 netns /proc/{there}/ns/net
             ip addr add 203.0.113.2/24 dev up0; ip link set up0 up; ip link set lo up
             ip route add default via 203.0.113.1"
            ),
        )?;
        run(
            there,
            "--net",
            &format!(
                "ip link set lo up; ip addr add {ADDRESS} dev lo
             ip addr add 203.0.113.1/24 dev in0; ip link set in0 up"
            ),
        )?;
        // Before Linux 6.8 the kernel drops what is sent until it has noticed that both ends are up.
        let up = || run(host, "--net", "ip -o link show up0 | grep -q 'state UP'");
        wait_until("the cable to it", Duration::from_secs(5), || Ok(up().is_ok()))?;
        run(
            host,
            "--mount",
            "mount -t tmpfs none /media
             echo nameserver 203.0.113.1 > /media/resolv.conf
             mount --bind /media/resolv.conf /etc/resolv.conf",
        )?;
        Ok(internet)
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Opens /dev/net/tun to all users of the step's host, as most systems do.
pub fn open_tun(step: &Step) -> Result<()> {
    let host = step.host().process().pid as u32;
    run(
        host,
        "--mount",
        "mknod /media/tun c 10 200; chmod 666 /media/tun; mount --bind /media/tun /dev/net/tun",
    )
}

/// Tries with each program that is installed, while the others cannot be executed.
pub fn with_each_program(step: &Step, experiment: impl Fn() -> Result<()>) -> Result<()> {
    let on_host = |script: String| run(step.host().process().pid as u32, "--mount", &script);
    let each = || installed().enumerate();
    each().try_for_each(|(n, path)| {
        on_host(format!("cp {path} /media/{n}; mount --bind /media/{n} {path}"))
    })?;
    for (this, path) in each() {
        let mode = |n| if n == this { "755" } else { "644" };
        each().try_for_each(|(n, _)| on_host(format!("chmod {} /media/{n}", mode(n))))?;
        experiment().context(path)?;
    }
    Ok(())
}

/// Runs a script as root in a namespace of a process.
pub fn run(pid: u32, namespace: &str, script: &str) -> Result<()> {
    let target = pid.to_string();
    let words = ["--target", &target, namespace, "sh", "-e", "-c", script];
    let output = Command::new("nsenter").args(words).output().context("run nsenter")?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The programs that pass packets on, in the order in which the step tries them.
fn installed() -> impl Iterator<Item = String> {
    let paths = ["slirp4netns", "pasta"].into_iter().flat_map(which::which);
    paths.flat_map(fs::canonicalize).map(|path| path.display().to_string())
}

fn env_exe() -> Result<std::path::PathBuf> {
    std::env::current_exe().context("/proc/self/exe")
}

/// Serves until it is killed.
pub fn play() -> ExitCode {
    let serve = || -> Result<()> {
        let tcp = TcpListener::bind("0.0.0.0:80")?;
        let dns = UdpSocket::bind("0.0.0.0:53")?;
        let echo = UdpSocket::bind("0.0.0.0:7")?;
        thread::spawn(move || {
            for mut client in tcp.incoming().flatten() {
                // To close it with something unread would reset it, and lose the answer.
                let _ = client.read(&mut [0; 64]);
                let _ = writeln!(client, "{BY_TCP}");
            }
        });
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((_, from)) = echo.recv_from(&mut question) {
                let _ = echo.send_to(format!("{BY_UDP}\n").as_bytes(), from);
            }
        });
        let mut question = [0; 512];
        loop {
            let (length, from) = dns.recv_from(&mut question)?;
            dns.send_to(&answer(&question[..length]), from)?;
        }
    };
    serve().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

/// Every name has the one address (RFC 1035): the question again, and for type A a record.
fn answer(question: &[u8]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|&byte| byte == 0).unwrap_or(0) + 5;
    let is_a = question[end - 4..end - 2] == [0, 1];
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    if is_a {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7]);
    }
    answer
}
