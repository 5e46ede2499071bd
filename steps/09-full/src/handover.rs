//! One process hands an open file to another: SCM_RIGHTS over a pair of sockets (unix(7)).

use std::cell::Cell;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result};
use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};

/// A way for one open file, made before the fork: one side sends, the other receives.
pub struct Handover {
    receiver: OwnedFd,
    sender: Cell<Option<OwnedFd>>,
}

impl Handover {
    /// A way that nothing has gone yet.
    pub fn new() -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (sender, receiver) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .context("socketpair")?;
        Ok(Handover { receiver, sender: Cell::new(Some(sender)) })
    }

    /// Hands over a copy of `file`: it is open on the other side even after it is closed on this
    /// one.
    pub fn send(&self, file: impl AsFd) -> Result<()> {
        let sender = self.sender.take().context("a handover serves one file")?;
        let rights = [file.as_fd().as_raw_fd()];
        let message = [IoSlice::new(b"!")]; // descriptors travel only with at least one byte
        let rights = [ControlMessage::ScmRights(&rights)];
        sendmsg::<()>(sender.as_raw_fd(), &message, &rights, MsgFlags::MSG_NOSIGNAL, None)
            .map(drop)
            .context("sendmsg")
    }

    /// Waits for the file; there is none if the other side ends without having sent it.
    pub fn receive(&self) -> Result<Option<OwnedFd>> {
        drop(self.sender.take()); // our copy would keep the way open after the other side's death
        let (mut byte, mut rights) = ([0], cmsg_space!(RawFd));
        let mut message = [IoSliceMut::new(&mut byte)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received =
            recvmsg::<()>(self.receiver.as_raw_fd(), &mut message, Some(&mut rights), flags);
        let file = received.context("recvmsg")?.cmsgs().context("recvmsg")?.find_map(|control| {
            match control {
                ControlMessageOwned::ScmRights(files) => files.first().copied(),
                _ => None,
            }
        });
        // SAFETY: the kernel has just opened it for us, and nobody else knows it.
        Ok(file.map(|file| unsafe { OwnedFd::from_raw_fd(file) }))
    }
}
