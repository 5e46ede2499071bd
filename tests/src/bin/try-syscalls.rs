//! Makes system calls by their numbers, each in a process of its own, and prints what the kernel
//! answered.

use std::env::args;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// A way into the kernel.
#[derive(Clone, Copy)]
enum Abi {
    Native,
    /// 64 bits with short pointers: the native number and a bit.
    #[cfg(target_arch = "x86_64")]
    X32,
    /// `int 0x80`
    #[cfg(target_arch = "x86_64")]
    I386,
}

/// `try-syscalls native|x32|i386 CALL…`, where CALL is one word with a name or number and its arguments:
/// `"socket 38 5 0"`.
fn main() -> Result<()> {
    let abi = match args().nth(1).as_deref() {
        Some("native") => Abi::Native,
        #[cfg(target_arch = "x86_64")]
        Some("x32") => Abi::X32,
        #[cfg(target_arch = "x86_64")]
        Some("i386") => Abi::I386,
        other => bail!("{other:?}"),
    };
    args().skip(2).try_for_each(|call| try_call(abi, &call))
}

fn try_call(abi: Abi, call: &str) -> Result<()> {
    let mut words = call.split_whitespace();
    let name = words.next().context("an empty CALL")?;
    let number = number(abi, name).with_context(|| format!("no such system call: {name}"))?;
    let mut args = [0; 5];
    for (arg, word) in args.iter_mut().zip(words) {
        let radix = if word.starts_with("0x") { 16 } else { 10 };
        *arg = u64::from_str_radix(word.trim_start_matches("0x"), radix)
            .with_context(|| format!("argument {word}"))?;
    }
    // SAFETY: this process has one thread. A child of the call itself, as clone makes it, ends here
    // as well.
    let child = match unsafe { fork() }.context("fork")? {
        // SAFETY: the arguments are numbers, none an address that the kernel could write to; then
        // this process ends.
        ForkResult::Child => unsafe { libc::_exit(-make(abi, number, args).min(0) as i32) },
        ForkResult::Parent { child } => child,
    };
    println!("{}", answer(waitpid(child, None).context("waitpid")?)?);
    Ok(())
}

fn answer(status: WaitStatus) -> Result<String> {
    match status {
        WaitStatus::Exited(_, 0) => Ok("OK".into()),
        WaitStatus::Exited(_, errno) => Ok(format!("{:?}", Errno::from_raw(errno))),
        WaitStatus::Signaled(_, signal, _) => Ok(signal.to_string()),
        other => bail!("waitpid: {other:?}"),
    }
}

fn number(abi: Abi, name: &str) -> Option<u64> {
    let native =
        name.parse().ok().or_else(|| Some(name.parse::<syscalls::Sysno>().ok()?.id() as u64));
    match abi {
        Abi::Native => native,
        #[cfg(target_arch = "x86_64")]
        Abi::X32 => native.map(|number| number | 0x4000_0000),
        #[cfg(target_arch = "x86_64")]
        Abi::I386 => name
            .parse()
            .ok()
            .or_else(|| Some(name.parse::<syscalls::x86::Sysno>().ok()?.id() as u64)),
    }
}

/// The call's result, or its errno as a negative number.
///
/// # Safety
/// The call may do whatever its number and arguments make it do.
unsafe fn make(abi: Abi, number: u64, args: [u64; 5]) -> i64 {
    #[cfg(target_arch = "x86_64")]
    if matches!(abi, Abi::I386) {
        // SAFETY: left to the caller.
        return unsafe { int_0x80(number, args) };
    }
    let _ = abi;
    let [a, b, c, d, e] = args;
    // SAFETY: left to the caller.
    let result = unsafe { libc::syscall(number as libc::c_long, a, b, c, d, e) };
    if result == -1 { -i64::from(Errno::last_raw()) } else { result }
}

#[cfg(target_arch = "x86_64")]
unsafe fn int_0x80(number: u64, args: [u64; 5]) -> i64 {
    let [a, b, c, d, e] = args;
    let mut result = number;
    // SAFETY: the compiler keeps rbx for itself, and gets it back. The kernel clears r8 to r11.
    unsafe {
        std::arch::asm!(
            "xchg {a}, rbx", "int 0x80", "xchg {a}, rbx",
            a = inout(reg) a => _, inout("rax") result, in("rcx") b, in("rdx") c, in("rsi") d, in("rdi") e,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    i64::from(result as i32)
}
