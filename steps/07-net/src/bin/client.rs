//! client: shows what a server says.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

/// Connects to the server and prints what it receives
#[derive(Parser)]
struct Args {
    /// The server's address
    address: IpAddr,

    /// TCP port to connect to
    #[arg(default_value_t = 4711)]
    port: u16,
}

fn main() -> ExitCode {
    common::run(receive)
}

fn receive(args: Args) -> Result<()> {
    let server = SocketAddr::new(args.address, args.port);
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))
        .with_context(|| format!("connect to {server}"))?;
    let mut message = Vec::new();
    stream.read_to_end(&mut message).with_context(|| format!("receive from {server}"))?;
    println!("Received {} bytes :{}", message.len(), String::from_utf8_lossy(&message));
    Ok(())
}
