//! The names of abstract sockets in this network namespace, each with its owner, from the kernel's
//! own table.
//!
//! /proc/net/unix would not do: it prints a name as it is, line breaks included, so that anybody
//! can forge lines there.

use anyhow::{Context, Result};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla as _, parse_u32,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::unix::nlas::{Nla, UnixDiagName};
use netlink_packet_sock_diag::unix::{ShowFlags, StateFlags, UnixRequest, UnixResponse};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

/// linux/unix_diag.h, since Linux 5.3
const UDIAG_SHOW_UID: u32 = 0x40;
const UNIX_DIAG_UID: u16 = 7;

/// net/tcp_states.h, TCP_CLOSE: as which a socket counts that is neither connected nor listens.
const UNCONNECTED: u32 = 7;

/// Name and owner (a user id) of every abstract socket that is not connected (sock_diag(7)).
pub fn names() -> Result<Vec<(String, u32)>> {
    let socket = Socket::new(NETLINK_SOCK_DIAG).context("socket NETLINK_SOCK_DIAG")?;
    socket.send_to(&request(), &SocketAddr::new(0, 0), 0).context("ask for the sockets")?;
    let mut found = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full().context("receive the sockets")?;
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            let header = NetlinkMessage::<SockDiagMessage>::deserialize(rest);
            let length = u32::from_ne_bytes(
                rest.get(..4).and_then(|len| len.try_into().ok()).unwrap_or_default(),
            );
            match header.map(|message| message.payload) {
                Ok(NetlinkPayload::Done(_)) => return Ok(found),
                Ok(NetlinkPayload::Error(error)) => {
                    return Err(error.to_io()).context("list the sockets");
                }
                Ok(NetlinkPayload::InnerMessage(SockDiagMessage::UnixResponse(socket))) => {
                    found.extend(named(&socket))
                }
                _ => {} // not one of ours
            }
            rest = rest.get((length as usize).next_multiple_of(4).max(4)..).unwrap_or_default();
        }
    }
}

fn request() -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = SockDiagMessage::UnixRequest(UnixRequest {
        state_flags: StateFlags::from_bits_retain(1 << UNCONNECTED),
        inode: 0,
        show_flags: ShowFlags::NAME | ShowFlags::from_bits_retain(UDIAG_SHOW_UID),
        cookie: [0xff; 8],
    });
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(request));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    bytes
}

fn named(socket: &UnixResponse) -> Option<(String, u32)> {
    let Some(UnixDiagName::Abstract(name)) = socket.name() else { return None };
    let owner = socket.nlas.iter().find_map(|nla| match nla {
        Nla::Other(other) if other.kind() == UNIX_DIAG_UID => {
            let mut value = vec![0; other.value_len()];
            other.emit_value(&mut value);
            parse_u32(&value).ok()
        }
        _ => None,
    });
    Some((String::from_utf8(name.clone()).ok()?, owner?))
}
