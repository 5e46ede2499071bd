use super::*;

fn port(outside: &str, inside: u16, protocol: Protocol) -> Result<Port, &'static str> {
    Ok(Port { outside: outside.parse().unwrap(), inside, protocol })
}

#[test]
fn without_an_address_a_port_is_published_to_this_machine_only() {
    assert_eq!("8080:80".parse(), port("127.0.0.1:8080", 80, Protocol::Tcp));
    assert_eq!("8080:80/tcp".parse(), port("127.0.0.1:8080", 80, Protocol::Tcp));
    assert_eq!("8053:53/udp".parse(), port("127.0.0.1:8053", 53, Protocol::Udp));
    assert_eq!("0.0.0.0:8080:80".parse(), port("0.0.0.0:8080", 80, Protocol::Tcp));
    assert_eq!("[::1]:8080:80".parse(), port("[::1]:8080", 80, Protocol::Tcp));
}

#[test]
fn without_a_port_inside_it_is_the_same() {
    assert_eq!("80".parse(), port("127.0.0.1:80", 80, Protocol::Tcp));
    assert_eq!("53/udp".parse(), port("127.0.0.1:53", 53, Protocol::Udp));
    assert_eq!("0.0.0.0:80".parse(), port("0.0.0.0:80", 80, Protocol::Tcp));
}

#[test]
fn what_is_no_port_is_refused() {
    for bad in ["", ":80", "80:", "0:80", "0", "80:0", "80:65536", "80:80/sctp", "8000-8010:80"] {
        assert!(bad.parse::<Port>().is_err(), "{bad}");
    }
    for bad in ["::1:80:80", "host:80:80", "1.2.3.4:0:80", "1.2.3.4:0"] {
        assert!(bad.parse::<Port>().is_err(), "{bad}");
    }
}

#[test]
fn a_port_is_written_as_it_is_read() {
    for text in ["127.0.0.1:8080:80", "[::1]:8080:80", "0.0.0.0:8053:53/udp"] {
        assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
    }
}
