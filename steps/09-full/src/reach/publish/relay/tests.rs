use std::io::{Read, Write, copy};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{MsgFlags, send};
use nix::unistd::pipe;

use super::super::{Cable, Listener, Port, Ports, Protocol, Proxy};
use super::*;

const SOME_TIME: Duration = Duration::from_millis(300);

const CABLE: Cable = Cable { host: Ipv4Addr::LOCALHOST, container: Ipv4Addr::LOCALHOST };

/// A forwarder to port `inside` of this machine, as if a container were there.
struct Forwarder {
    address: SocketAddr,
    lifeline: OwnedFd,
    thread: JoinHandle<()>,
}

impl Forwarder {
    fn new(protocol: Protocol, inside: u16) -> Forwarder {
        let (port, address) = listen(protocol, inside);
        let (end, lifeline) = pipe().unwrap();
        let thread = thread::spawn(move || {
            Relay::new(&Ports(vec![port]), CABLE, end).unwrap().run().unwrap();
        });
        Forwarder { address, lifeline, thread }
    }

    fn client(&self) -> TcpStream {
        client(self.address)
    }

    /// What the launcher does when the container has ended.
    fn end(self) {
        drop(self.lifeline);
        self.thread.join().unwrap();
    }
}

fn client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    client
}

/// Listens for a forwarder to port `inside` of this machine.
fn listen(protocol: Protocol, inside: u16) -> ((Listener, Port), SocketAddr) {
    let port = Port { outside: (Ipv4Addr::LOCALHOST, 0).into(), inside, protocol };
    let listener = Listener::bind(&port).unwrap();
    let address = match &listener {
        Listener::Tcp(socket) => socket.local_addr().unwrap(),
        Listener::Udp(socket) => socket.local_addr().unwrap(),
    };
    ((listener, port), address)
}

/// Limits the descriptors of a process that forwards.
fn limit_descriptors(proxy: &Proxy, most: u64) {
    let pid = proxy.0.as_ref().unwrap().1.as_raw();
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the kernel reads the limit, and writes nothing.
    let result = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &limit, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// A server with one client, or more.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().for_each(|client| serve(client.unwrap())));
    port
}

/// Both ends of all connections are in this process.
fn raise_limit() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

/// How long `act` usually takes.
fn median(mut act: impl FnMut()) -> Duration {
    let mut times = [(); 21].map(|()| {
        let begin = Instant::now();
        act();
        begin.elapsed()
    });
    times.sort();
    times[10]
}

/// The shortest time that `act` takes: other work on the machine can only lengthen it.
fn shortest(mut act: impl FnMut()) -> Duration {
    let times = (0..200).map(|_| {
        let begin = Instant::now();
        act();
        begin.elapsed()
    });
    times.min().unwrap()
}

#[test]
fn a_side_that_has_said_all_still_hears_the_other() {
    let echo = |mut client: TcpStream| {
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap(); // up to the client's shutdown
        client.write_all(&heard).unwrap();
    };
    let forwarder = Forwarder::new(Protocol::Tcp, server(echo));
    let sent: Vec<u8> =
        (0..10 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut client, mut heard) = (forwarder.client(), Vec::new());
    client.write_all(&sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    client.read_to_end(&mut heard).unwrap();
    assert!(heard == sent);
    forwarder.end();
}

#[test]
fn an_answer_in_two_writes_comes_at_once() {
    let answer = |mut client: TcpStream| {
        client.set_nodelay(true).unwrap();
        while client.read_exact(&mut [0]).is_ok() {
            client.write_all(&[b'a'; 100]).unwrap();
            sleep(Duration::from_millis(2));
            client.write_all(&[b'b'; 100]).unwrap();
        }
    };
    let forwarder = Forwarder::new(Protocol::Tcp, server(answer));
    let mut client = forwarder.client();
    client.set_nodelay(true).unwrap();
    let time = median(|| {
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0; 200]).unwrap();
    });
    assert!(time < Duration::from_millis(30), "{time:?}"); // it is 44 ms otherwise
    drop(client);
    forwarder.end();
}

#[test]
fn a_request_in_two_writes_comes_at_once() {
    let answer = |mut client: TcpStream| {
        client.set_nodelay(true).unwrap();
        while client.read_exact(&mut [0; 200]).is_ok() {
            client.write_all(b"x").unwrap();
        }
    };
    let forwarder = Forwarder::new(Protocol::Tcp, server(answer));
    let mut client = forwarder.client();
    client.set_nodelay(true).unwrap();
    let time = median(|| {
        client.write_all(&[b'a'; 100]).unwrap();
        sleep(Duration::from_millis(2));
        client.write_all(&[b'b'; 100]).unwrap();
        client.read_exact(&mut [0]).unwrap();
    });
    assert!(time < Duration::from_millis(30), "{time:?}");
    drop(client);
    forwarder.end();
}

#[test]
fn what_follows_an_urgent_byte_is_not_left_behind() {
    let echo = |mut client: TcpStream| drop(copy(&mut client.try_clone().unwrap(), &mut client));
    let forwarder = Forwarder::new(Protocol::Tcp, server(echo));
    let mut client = forwarder.client();
    for _ in 0..20 {
        client.write_all(b"abc").unwrap();
        send(client.as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap();
        client.write_all(b"def").unwrap();
        let mut heard = [0; 7];
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"abc!def");
    }
    drop(client);
    forwarder.end();
}

#[test]
fn what_an_ended_container_said_last_arrives() {
    let (size, burst) = (8 << 20, vec![b'z'; 8 << 20]);
    let port = server(move |mut client| client.write_all(&burst).unwrap());
    let forwarder = Forwarder::new(Protocol::Tcp, port);
    let mut client = forwarder.client();
    let reader = thread::spawn(move || {
        sleep(SOME_TIME);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).map(|_| heard.len())
    });
    sleep(SOME_TIME / 3);
    forwarder.end();
    assert_eq!(reader.join().unwrap().unwrap(), size);
}

#[test]
fn a_client_that_never_ends_does_not_hold_up_the_end() {
    let port = server(drop);
    let forwarder = Forwarder::new(Protocol::Tcp, port);
    let mut client = forwarder.client();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    let begin = Instant::now();
    forwarder.end();
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[test]
fn where_nobody_listens_the_client_is_reset() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let forwarder = Forwarder::new(Protocol::Tcp, closed);
    let error = forwarder.client().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    forwarder.end();
}

#[test]
fn three_hundred_idle_connections_do_not_keep_another_waiting() {
    raise_limit();
    let port = server(|mut client| {
        thread::spawn(move || {
            while client.read_exact(&mut [0]).is_ok() && client.write_all(b"!").is_ok() {}
        });
    });
    let forwarder = Forwarder::new(Protocol::Tcp, port);
    let idle: Vec<_> = (0..300).map(|_| forwarder.client()).collect();
    let mut client = forwarder.client();
    client.write_all(b"?").unwrap();
    client.read_exact(&mut [0]).unwrap();
    drop(idle);
    drop(client);
    forwarder.end();
}

/// A server that says a byte to each client, and then waits for the client's end.
fn greeter() -> u16 {
    server(|mut client| {
        client.write_all(b"!").unwrap();
        thread::spawn(move || client.read(&mut [0]));
    })
}

#[test]
fn a_client_for_which_no_descriptor_is_left_is_reset() {
    // One of them is even: either the client or the server gets none.
    for most in [40, 41] {
        let (port, address) = listen(Protocol::Tcp, greeter());
        let proxy = Ports(vec![port]).forward(CABLE).unwrap();
        let greeted = || {
            let mut client = client(address);
            client.read_exact(&mut [0]).map(|()| client)
        };
        let mut clients = vec![greeted().unwrap()];
        limit_descriptors(&proxy, most);
        let refused = (0..most).find_map(|_| greeted().map(|it| clients.push(it)).err());
        assert_eq!(refused.unwrap().kind(), std::io::ErrorKind::ConnectionReset);
        assert!(clients.len() > 10, "{}", clients.len());
        assert!(greeted().is_err());
        drop(clients);
        let again = (0..20).any(|_| {
            sleep(SOME_TIME / 6);
            greeted().is_ok()
        });
        assert!(again);
        drop(proxy);
    }
}

#[test]
fn a_client_that_does_not_listen_holds_up_the_end_for_some_seconds_only() {
    let port = server(|mut client| client.write_all(&vec![b'z'; 64 << 20]).unwrap_or_default());
    let (port, address) = listen(Protocol::Tcp, port);
    let proxy = Ports(vec![port]).forward(CABLE).unwrap();
    let _client = client(address);
    sleep(SOME_TIME);
    let pid = proxy.0.as_ref().unwrap().1;
    let end = thread::spawn(|| drop(proxy));
    let deadline = Instant::now() + Duration::from_secs(u64::from(LAST_WORDS) + 5);
    while !end.is_finished() && Instant::now() < deadline {
        sleep(SOME_TIME);
    }
    let in_time = end.is_finished();
    if !in_time {
        kill(pid, Signal::SIGKILL).unwrap();
    }
    end.join().unwrap();
    assert!(in_time);
}

/// The port of a server that answers each datagram with what `answer` makes of it and its sender.
fn datagram_server(answer: fn(&[u8], SocketAddr) -> Vec<u8>) -> u16 {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((length, from)) = server.recv_from(&mut buffer) {
            server.send_to(&answer(&buffer[..length], from), from).unwrap();
        }
    });
    port
}

/// A forwarder to a server that returns each datagram.
fn datagram_echo() -> Forwarder {
    Forwarder::new(Protocol::Udp, datagram_server(|text, _| text.to_vec()))
}

fn datagram_client(address: SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    client.connect(address).unwrap(); // so it takes answers from there only
    client
}

#[test]
fn clients_that_send_datagrams_leave_descriptors_to_others() {
    let (datagrams, address) =
        listen(Protocol::Udp, datagram_server(|_, from| from.port().to_be_bytes().to_vec()));
    let (connections, tcp_address) = listen(Protocol::Tcp, greeter());
    let proxy = Ports(vec![datagrams, connections]).forward(CABLE).unwrap();
    // What the server takes for the client's port: it is the forwarder's.
    let seen = |client: &UdpSocket| {
        let mut port = [0; 2];
        client.send(b"?").unwrap();
        client.recv(&mut port).unwrap();
        port
    };
    let busy = datagram_client(address);
    let first = seen(&busy);
    limit_descriptors(&proxy, 40);
    for _ in 0..100 {
        seen(&datagram_client(address));
        assert_eq!(seen(&busy), first, "a client that speaks was forgotten");
    }
    client(tcp_address).read_exact(&mut [0]).unwrap();
    drop(proxy);
}

/// Sends a datagram, and expects it back.
fn exchange(client: &UdpSocket, text: &[u8]) {
    let mut heard = [0; 100];
    client.send(text).unwrap();
    let length = client.recv(&mut heard).unwrap();
    assert_eq!(&heard[..length], text);
}

#[test]
fn datagrams_go_there_and_back() {
    let forwarder = datagram_echo();
    for text in [b"one", b"two"] {
        exchange(&datagram_client(forwarder.address), text);
    }
    forwarder.end();
}

#[test]
fn a_thousand_clients_that_sent_datagrams_do_not_slow_down_another() {
    raise_limit();
    let forwarder = datagram_echo();
    let client = datagram_client(forwarder.address);
    let time = || shortest(|| exchange(&client, b"?"));
    let alone = time();
    let others: Vec<_> = (0..1000).map(|_| datagram_client(forwarder.address)).collect();
    others.iter().for_each(|other| exchange(other, b"!"));
    let beside_them = time();
    assert!(beside_them < alone * 5, "{alone:?} alone, {beside_them:?} beside them");
    forwarder.end();
}
