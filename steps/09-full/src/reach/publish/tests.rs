use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::*;

#[test]
fn who_names_no_address_publishes_to_this_machine_alone() {
    let port = |outside: &str| Ok(Port { outside: outside.parse().unwrap(), inside: 80 });
    assert_eq!("8080:80".parse(), port("127.0.0.1:8080"));
    assert_eq!("0.0.0.0:8080:80".parse(), port("0.0.0.0:8080"));
    assert_eq!("[::1]:8080:80".parse(), port("[::1]:8080"));
    for bad in [
        "",
        "80",
        ":80",
        "80:",
        "0:80",
        "80:0",
        "80:65536",
        "::1:80:80",
        "host:80:80",
        "1.2.3.4:0:80",
    ] {
        assert!(bad.parse::<Port>().is_err(), "{bad}");
    }
}

/// A connection: both ends.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn ten_mebibytes_go_both_ways_and_who_has_finished_still_hears() {
    let sent: Vec<u8> =
        (0..10 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let ((mut client, outside), (inside, mut server)) = (connection(), connection());
    thread::scope(|scope| {
        scope.spawn(move || relay::pass_on(&outside, &inside));
        scope.spawn(move || {
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).unwrap(); // up to the client's shutdown
            server.write_all(&heard).unwrap();
        });
        client.write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert!(heard == sent);
    });
}
