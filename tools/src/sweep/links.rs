//! Links called `vethPID`, the host's end of a cable of chapter 07. They go with the container's
//! network namespace, and that stays as long as anything holds it: a process that somebody sent
//! there, or a mount of `ip netns`.

use anyhow::{Context, Result, bail};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

use super::Found;
use super::ours::Ours;

/// Those of the network namespace in which this program runs.
pub fn find(ours: &Ours) -> Result<Vec<Found>> {
    let mut links = links().context("list the network's links")?;
    links.retain(is_veth);
    let found = links.iter().filter_map(|link| {
        let name = name(link)?;
        Some(judge(ours, name, launcher(name)?, link.header.index))
    });
    Ok(found.collect())
}

fn judge(ours: &Ours, name: &str, launcher: i32, index: u32) -> Found {
    let what = format!("link {name}");
    if ours.launcher(launcher) {
        return Found::left(what, format!("in use: its launcher is process {launcher}"));
    }
    let why =
        format!("a veth pair's end on no bridge, and its launcher, process {launcher}, is gone");
    Found::goes(what, why, move || delete(index))
}

/// Other runtimes call theirs `veth` and a few hexadecimal digits, which may be decimal ones; but
/// theirs are ports of a bridge.
fn is_veth(link: &LinkMessage) -> bool {
    let veth = |info: &LinkInfo| matches!(info, LinkInfo::Kind(InfoKind::Veth));
    let kind =
        |it: &LinkAttribute| matches!(it, LinkAttribute::LinkInfo(infos) if infos.iter().any(veth));
    let port = |it: &LinkAttribute| matches!(it, LinkAttribute::Controller(_));
    link.attributes.iter().any(kind) && !link.attributes.iter().any(port)
}

fn name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// The number in the name of a link of ours.
fn launcher(name: &str) -> Option<i32> {
    let number = name.strip_prefix("veth")?;
    number.parse().ok().filter(|pid: &i32| pid.to_string() == number && *pid > 0)
}

/// `ip link`
fn links() -> Result<Vec<LinkMessage>> {
    let socket = send(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)?;
    let mut links = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full().context("receive")?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .context("read the answer")?;
            let length = (message.header.length as usize).next_multiple_of(4).min(rest.len());
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(links),
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                    links.push(link)
                }
                other => bail!("the kernel answered {other:?}"),
            }
            rest = &rest[length..];
        }
    }
}

/// `ip link del`
fn delete(index: u32) -> Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = index;
    let socket = send(RouteNetlinkMessage::DelLink(link), NLM_F_ACK)?;
    let (bytes, _) = socket.recv_from_full().context("receive")?;
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes)
        .context("read the answer")?
        .payload
    {
        NetlinkPayload::Error(error) => match error.code.map(|code| Errno::from_raw(-code.get())) {
            None | Some(Errno::ENODEV) => Ok(()),
            Some(errno) => Err(errno).context("delete it"),
        },
        other => bail!("the kernel answered {other:?}"),
    }
}

fn send(message: RouteNetlinkMessage, flags: u16) -> Result<Socket> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    let socket = Socket::new(NETLINK_ROUTE).context("socket")?;
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0).context("send")?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_link_of_ours_has_a_process_number_in_its_name() {
        assert_eq!(super::launcher("veth4711"), Some(4711));
        for other in ["vethX", "veth", "veth0", "veth1a2b3c", "veth007", "eth4711"] {
            assert_eq!(super::launcher(other), None, "{other}");
        }
    }
}
