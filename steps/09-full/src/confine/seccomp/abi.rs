//! How one kernel is called in several ways, each with numbers of its own.

use syscalls::Sysno;

#[cfg(target_arch = "x86_64")]
use super::calls::{Calls, calls};
use super::table::Entry;

/// One set of numbers.
pub struct Abi {
    /// What the kernel calls it (AUDIT_ARCH_… in linux/audit.h).
    pub arch: u32,
    /// The bits of the number that name the call.
    pub mask: u32,
    /// What the tables say of each number.
    pub entries: [Entry; NUMBERS],
    /// Their names.
    #[cfg(test)]
    pub names: Names,
}

/// All numbers that are given out are below this one.
pub const NUMBERS: usize = 640;
const _: () = assert!((Sysno::last().id() as usize) < NUMBERS);

const LITTLE_ENDIAN_64: u32 = 0xc000_0000;
#[cfg(target_arch = "x86_64")]
const LITTLE_ENDIAN_32: u32 = 0x4000_0000;

/// The ways into this machine's kernel, the usual one first.
#[cfg(target_arch = "x86_64")]
pub static ABIS: [&Abi; 2] = [
    &const { Abi::new(libc::EM_X86_64 as u32 | LITTLE_ENDIAN_64, !X32, Names::Native) },
    &const { Abi::new(libc::EM_386 as u32 | LITTLE_ENDIAN_32, !0, Names::I386) },
];

/// The ways into this machine's kernel: 32-bit programs have none.
#[cfg(target_arch = "aarch64")]
pub static ABIS: [&Abi; 1] =
    [&const { Abi::new(libc::EM_AARCH64 as u32 | LITTLE_ENDIAN_64, !0, Names::Native) }];

impl Abi {
    const fn new(arch: u32, mask: u32, names: Names) -> Abi {
        let mut entries = [Entry::UNKNOWN; NUMBERS];
        let mut number = 0;
        while number < NUMBERS {
            if let Some(name) = names.name(number) {
                entries[number] = Entry::of(name);
            }
            number += 1;
        }
        Abi {
            arch,
            mask,
            entries,
            #[cfg(test)]
            names,
        }
    }
}

/// Whose names the numbers have.
#[derive(Clone, Copy)]
pub enum Names {
    Native,
    /// 32-bit programs, and every program that executes `int 0x80`.
    #[cfg(target_arch = "x86_64")]
    I386,
}

impl Names {
    pub const fn name(self, number: usize) -> Option<&'static [u8]> {
        match self {
            Names::Native => match Sysno::new(number) {
                Some(call) => Some(call.name().as_bytes()),
                None => x32(number),
            },
            #[cfg(target_arch = "x86_64")]
            Names::I386 => match syscalls::x86::Sysno::new(number) {
                Some(call) => Some(call.name().as_bytes()),
                None => None,
            },
        }
    }
}

/// x32, 64-bit programs with short pointers: the native numbers with this bit set …
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// … and for these calls numbers of its own, from 512 on (arch/x86/entry/syscalls/syscall_64.tbl in
/// the kernel's source). Without the bit they are nobody's.
#[cfg(target_arch = "x86_64")]
const fn x32(number: usize) -> Option<&'static [u8]> {
    const FIRST: usize = 512;
    const NAMES: Calls = calls! {
        rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace
        rt_sigpending rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load
        waitid set_robust_list get_robust_list vmsplice move_pages preadv pwritev
        rt_tgsigqueueinfo recvmmsg sendmmsg process_vm_readv process_vm_writev setsockopt getsockopt
        io_setup io_submit execveat preadv2 pwritev2
    };
    if number < FIRST || number - FIRST >= NAMES.len() { None } else { Some(NAMES[number - FIRST]) }
}

#[cfg(target_arch = "aarch64")]
const fn x32(_: usize) -> Option<&'static [u8]> {
    None
}
