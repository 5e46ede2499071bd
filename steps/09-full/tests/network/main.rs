//! What chapter 09 claims of the ways between containers, and out to the network. Another network
//! namespace plays the Internet: no packet leaves the machine.

use std::env;
use std::process::ExitCode;

use harness::chapter;

mod internet;
mod neighbours;
mod way_out;

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some(internet::PLAY) {
        return internet::play();
    }
    chapter("09-full", [way_out::claims(), neighbours::claims()].concat())
}
