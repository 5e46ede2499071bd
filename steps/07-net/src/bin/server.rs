//! server: greets every client that connects.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use common::{Operation, Tried};

const GREETING: &[u8; 25] = b"hello from the other side";

/// Sends "hello from the other side" to every client that connects
#[derive(Parser)]
struct Args {
    /// TCP port to listen on
    #[arg(default_value_t = 4711)]
    port: u16,
}

fn main() -> ExitCode {
    common::run(serve)
}

fn serve(args: Args) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, args.port))
        .tried(Operation::Listen, format_args!("listen on port {}", args.port))?;
    println!("listening on port {}", listener.local_addr()?.port());
    loop {
        let (mut client, from) = match listener.accept() {
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue, // it hung up before we accepted
            accepted => accepted.context("accept")?,
        };
        match client.write_all(GREETING) {
            Ok(()) => println!("greeted {from}"),
            Err(error) => println!("{from} hung up: {error}"),
        }
    }
}
