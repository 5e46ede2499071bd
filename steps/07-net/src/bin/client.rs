//! client: prints what a server sends.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use common::{Operation, Tried};

/// Connects to the server and prints what it receives
#[derive(Parser)]
struct Args {
    /// The server's address
    address: IpAddr,

    /// TCP port to connect to
    #[arg(default_value_t = 4711)]
    port: u16,
}

/// How long to wait for an answer, where nobody refuses and nobody answers.
const PATIENCE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    common::run(receive)
}

fn receive(args: Args) -> Result<()> {
    let server = SocketAddr::new(args.address, args.port);
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)
        .tried(Operation::Connect, format_args!("connect to {server}"))?;
    stream.set_read_timeout(Some(PATIENCE)).context("set a time-out")?;
    let mut message = Vec::new();
    stream.read_to_end(&mut message).with_context(|| format!("receive from {server}"))?;
    println!("Received {} bytes :{}", message.len(), String::from_utf8_lossy(&message));
    Ok(())
}
