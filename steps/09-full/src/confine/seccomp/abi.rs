//! How one kernel is called in several ways, each with numbers of its own.

use syscalls::Sysno;

/// One set of numbers.
pub struct Abi {
    /// What the kernel calls it (AUDIT_ARCH_… in linux/audit.h).
    pub arch: u32,
    /// The bits of the number that name the call.
    pub mask: u32,
    /// The name of a number.
    pub name: fn(u32) -> Option<&'static str>,
}

/// All numbers that are given out are below this one.
pub const NUMBERS: u32 = 1024;

const LITTLE_ENDIAN_64: u32 = 0xc000_0000;
#[cfg(target_arch = "x86_64")]
const LITTLE_ENDIAN_32: u32 = 0x4000_0000;

/// The ways into this machine's kernel, the usual one first.
#[cfg(target_arch = "x86_64")]
pub const ABIS: &[Abi] = &[
    Abi {
        arch: libc::EM_X86_64 as u32 | LITTLE_ENDIAN_64,
        mask: !X32,
        name: |nr| native(nr).or_else(|| x32(nr)),
    },
    Abi { arch: libc::EM_386 as u32 | LITTLE_ENDIAN_32, mask: !0, name: i386 },
];

/// The ways into this machine's kernel: 32-bit programs have none.
#[cfg(target_arch = "aarch64")]
pub const ABIS: &[Abi] =
    &[Abi { arch: libc::EM_AARCH64 as u32 | LITTLE_ENDIAN_64, mask: !0, name: native }];

fn native(number: u32) -> Option<&'static str> {
    Sysno::new(number as usize).map(|call| call.name())
}

/// 32-bit programs, and every program that executes `int 0x80`.
#[cfg(target_arch = "x86_64")]
fn i386(number: u32) -> Option<&'static str> {
    syscalls::x86::Sysno::new(number as usize).map(|call| call.name())
}

/// x32, 64-bit programs with short pointers: the native numbers with this bit set …
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// … and for these calls numbers of its own, from 512 on (arch/x86/entry/syscalls/syscall_64.tbl in
/// the kernel's source). Without the bit they are nobody's.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
fn x32(number: u32) -> Option<&'static str> {
    const NAMES: &[&str] = &[
        "rt_sigaction", "rt_sigreturn", "ioctl", "readv", "writev", "recvfrom", "sendmsg", "recvmsg", "execve", "ptrace",
        "rt_sigpending", "rt_sigtimedwait", "rt_sigqueueinfo", "sigaltstack", "timer_create", "mq_notify", "kexec_load",
        "waitid", "set_robust_list", "get_robust_list", "vmsplice", "move_pages", "preadv", "pwritev",
        "rt_tgsigqueueinfo", "recvmmsg", "sendmmsg", "process_vm_readv", "process_vm_writev", "setsockopt", "getsockopt",
        "io_setup", "io_submit", "execveat", "preadv2", "pwritev2",
    ];
    NAMES.get(number.checked_sub(512)? as usize).copied()
}
