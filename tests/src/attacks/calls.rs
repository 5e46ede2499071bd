//! System calls that no ordinary program makes. (Those that would change the host are asked for in
//! a way that fails.)

use nix::errno::Errno;

use super::{Attack, Attempt, Decoys, Stop, attack, call, gained, nothing, permitted};

const FILTER: &str = "the system call filter";
const BOTH: &str = "a user namespace, in which the capability for it does not count, and then the system call filter";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "bpf",
        "CVE-2021-3490",
        "asks for the BPF programs that are loaded: bpf(2)",
        BOTH,
        |_| {
            const PROG_GET_NEXT_ID: libc::c_int = 11;
            let attributes = [0_u64; 16];
            // SAFETY: the attributes outlive the call, and the size is theirs. ENOENT: there is
            // none.
            permitted(Errno::ENOENT, unsafe {
                libc::syscall(
                    libc::SYS_bpf,
                    PROG_GET_NEXT_ID,
                    &attributes,
                    size_of_val(&attributes),
                )
            })
        },
    ),
    attack("perf", "CVE-2013-2094", "measures what runs on a CPU: perf_event_open(2)", BOTH, perf),
    attack(
        "io-uring",
        "CVE-2022-29582",
        "makes system calls that a filter does not see: io_uring_setup(2)",
        FILTER,
        |_| {
            let parameters = [0_u8; 120];
            // SAFETY: the structure outlives the call, and all zeros ask for the defaults.
            call("a ring", unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &parameters) })
        },
    ),
    attack(
        "userfaultfd",
        "",
        "stops the kernel in the middle of a call, at will: userfaultfd(2)",
        FILTER,
        |_| {
            const USER_MODE_ONLY: libc::c_int = 1;
            // SAFETY: takes integers.
            call("a descriptor", unsafe { libc::syscall(libc::SYS_userfaultfd, USER_MODE_ONLY) })
        },
    ),
    attack(
        "keyctl",
        "CVE-2016-0728",
        "uses the kernel's keyrings, which no namespace divides",
        FILTER,
        |_| {
            // SAFETY: takes integers.
            call("answered", unsafe { libc::syscall(libc::SYS_keyctl, GET_KEYRING_ID, SESSION, 0) })
        },
    ),
    attack(
        "add-key",
        "CVE-2016-0728",
        "adds a key to the kernel's keyrings: add_key(2)",
        FILTER,
        |_| {
            const PROCESS: libc::c_int = -2;
            let (kind, name) = (c"user".as_ptr(), c"attack".as_ptr());
            // SAFETY: the strings outlive the call; the keyring goes with this process.
            call("added", unsafe { libc::syscall(libc::SYS_add_key, kind, name, name, 1, PROCESS) })
        },
    ),
    attack("kexec", "", "starts another kernel: kexec_load(2)", BOTH, |_| {
        const NO_SUCH_FLAG: libc::c_int = 0x7000;
        let none = std::ptr::null::<u8>();
        // SAFETY: there are no segments, and the flag is refused.
        permitted(Errno::EINVAL, unsafe {
            libc::syscall(libc::SYS_kexec_load, 0, 0, none, NO_SUCH_FLAG)
        })
    }),
    attack("module", "", "loads a module into the kernel: init_module(2)", BOTH, |_| {
        // SAFETY: a module of no bytes.
        permitted(Errno::ENOEXEC, unsafe {
            libc::syscall(libc::SYS_init_module, c"".as_ptr(), 0, c"".as_ptr())
        })
    }),
    attack(
        "reboot",
        "",
        "calls reboot(2), with wrong magic numbers",
        "CAP_SYS_BOOT is given up, and then the system call filter",
        |_| {
            // SAFETY: without the magic numbers it does nothing.
            permitted(Errno::EINVAL, unsafe { libc::syscall(libc::SYS_reboot, 0, 0, 0, 0) })
        },
    ),
    attack("clock", "", "sets the machine's clock: adjtimex(2)", BOTH, |_| {
        // SAFETY: all fields are integers; a tick of 0 is refused.
        let mut request: libc::timex = unsafe { std::mem::zeroed() };
        request.modes = libc::ADJ_TICK;
        // SAFETY: the structure outlives the call.
        permitted(Errno::EINVAL, unsafe { libc::adjtimex(&mut request) }.into())
    }),
    attack("swap", "", "makes a file the machine's swap space: swapon(2)", BOTH, |_| {
        // SAFETY: there is no such file.
        permitted(Errno::ENOENT, unsafe { libc::swapon(c"/no/such/file".as_ptr(), 0) }.into())
    }),
    attack("quota", "", "calls quotactl(2)", FILTER, |_| {
        const SYNC: libc::c_int = 0x80_0001 << 8;
        // SAFETY: without a device it writes back what is to be written anyway.
        call(
            "done",
            unsafe { libc::quotactl(SYNC, std::ptr::null(), 0, std::ptr::null_mut()) }.into(),
        )
    }),
    attack(
        "memory-policy",
        "",
        "chooses on which nodes memory lies: set_mempolicy(2)",
        FILTER,
        |_| {
            // SAFETY: the default policy has no nodes.
            call("done", unsafe {
                libc::syscall(libc::SYS_set_mempolicy, 0, std::ptr::null::<u8>(), 0)
            })
        },
    ),
    attack("ports", "", "writes to the ports of devices: iopl(2)", BOTH, iopl),
    attack(
        "i386-call",
        "",
        "calls keyctl(2) by its i386 number",
        "a filter that knows the other tables",
        i386,
    ),
    attack(
        "x32-call",
        "",
        "calls keyctl(2) by its x32 number",
        "a filter that knows the other tables",
        |_| {
            const X32: libc::c_long = 0x4000_0000;
            // SAFETY: takes integers.
            call("answered", unsafe {
                libc::syscall(X32 | libc::SYS_keyctl, GET_KEYRING_ID, SESSION, 0)
            })
        },
    ),
    attack("all-calls", "", "is free to make every system call that there is", FILTER, |_| {
        // SAFETY: takes integers.
        let mode = Errno::result(unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) })?;
        if mode == 0 { gained("no filter") } else { nothing("a filter is in force") }
    }),
];

/// keyctl(2)
const GET_KEYRING_ID: libc::c_int = 0;
const SESSION: libc::c_int = -3;

/// struct perf_event_attr: a software event, of all processes on the first CPU.
fn perf(_: &Decoys) -> Attempt {
    const SOFTWARE: u32 = 1;
    const SIZE: u32 = 64;
    let mut attributes = [0_u32; 16];
    (attributes[0], attributes[1]) = (SOFTWARE, SIZE);
    // SAFETY: the attributes are of the size that they say and outlive the call.
    call("events of all processes", unsafe {
        libc::syscall(libc::SYS_perf_event_open, &attributes, -1, 0, -1, 0)
    })
}

#[cfg(target_arch = "x86_64")]
fn iopl(_: &Decoys) -> Attempt {
    // SAFETY: gives this process a right that it does not use.
    call("all ports", unsafe { libc::syscall(libc::SYS_iopl, 3) })
}

#[cfg(target_arch = "x86_64")]
fn i386(_: &Decoys) -> Attempt {
    const KEYCTL: i64 = 288;
    let result: i64;
    // SAFETY: the call takes integers; rbx is the compiler's and gets its value back. Where the
    // kernel has no such calls the process ends by SIGSEGV.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}", "int 0x80", "xchg rbx, {first}",
            first = inout(reg) i64::from(GET_KEYRING_ID) => _,
            inlateout("rax") KEYCTL => result,
            in("rcx") i64::from(SESSION), in("rdx") 0_i64, in("rsi") 0_i64, in("rdi") 0_i64,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    match result as i32 {
        0.. => gained("answered"),
        errno => Err(Stop::Refused(Errno::from_raw(-errno))),
    }
}

#[cfg(not(target_arch = "x86_64"))]
use elsewhere as iopl;
#[cfg(not(target_arch = "x86_64"))]
use elsewhere as i386;

#[cfg(not(target_arch = "x86_64"))]
fn elsewhere(_: &Decoys) -> Attempt {
    Err(Stop::Untried("this processor has no such call".into()))
}
