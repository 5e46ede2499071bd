//! Calls whose first or second argument decides.

use libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET,
    CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, TIOCLINUX, TIOCSTI,
};

use super::calls::{Calls, calls};

/// Allows calls, or answers EPERM, by the value of one argument.
#[derive(Debug, PartialEq)]
pub struct Rule {
    pub calls: Calls,
    /// Which argument, from 0. Its lower 32 bits are looked at: the kernel itself takes no more of
    /// these, and a filter that compared all 64 could be passed with a bit set above them
    /// (CVE-2019-10063).
    pub argument: u32,
    pub test: Test,
}

/// What an argument must be for its call to take place.
#[derive(Debug, PartialEq)]
pub enum Test {
    /// One of these values.
    OneOf(&'static [u32]),
    /// None of these values.
    NoneOf(&'static [u32]),
    /// Without any of these bits.
    Without(u32),
}

const NAMESPACES: i32 = CLONE_NEWCGROUP
    | CLONE_NEWIPC
    | CLONE_NEWNET
    | CLONE_NEWNS
    | CLONE_NEWPID
    | CLONE_NEWUSER
    | CLONE_NEWUTS;

/// What personality(2) does without moving or opening memory: Linux, 32-bit names (setarch), a
/// version 2.6 for old programs, both; the last value asks which one is set.
const PERSONALITIES: &[u32] = &[0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];

pub const CHECKED: &[Rule] = &[
    // Processes and threads, but no namespaces.
    Rule { calls: calls! { clone }, argument: 0, test: Test::Without(NAMESPACES as u32) },
    // Packet sockets see what passes beneath IP; VSOCK reaches the hypervisor, past all network
    // namespaces; ALG and most of the forty others are little used and loaded as modules on demand.
    // For raw IP sockets CAP_NET_RAW decides.
    Rule {
        calls: calls! { socket socketpair },
        argument: 0,
        test: Test::OneOf(&[AF_UNIX as u32, AF_INET as u32, AF_INET6 as u32, AF_NETLINK as u32]),
    },
    Rule { calls: calls! { personality }, argument: 0, test: Test::OneOf(PERSONALITIES) },
    // Both type into a terminal as if its user did (CVE-2017-5226).
    Rule {
        calls: calls! { ioctl },
        argument: 1,
        test: Test::NoneOf(&[TIOCSTI as u32, TIOCLINUX as u32]),
    },
];
