//! Calls that the kernel asks to be made again.

use nix::Result;
use nix::errno::Errno;

/// Somebody who renames files all the time must not keep us for ever.
const ATTEMPTS: u32 = 1000;

/// Repeats a call of openat2(2) as long as it fails with EAGAIN: something on this machine was
/// renamed or mounted while the kernel followed a `..`, so that the kernel could not be sure where
/// it led.
///
/// # Errors
/// Those of the call; EAGAIN when even the thousandth attempt ends with it.
pub fn retry<T>(call: impl Fn() -> Result<T>) -> Result<T> {
    let answers = (1..ATTEMPTS).map(|_| call());
    let certain = |answer: &Result<T>| !matches!(answer, Err(Errno::EAGAIN));
    answers.into_iter().find(certain).unwrap_or_else(&call)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn answers_after(failures: u32, answer: Result<()>) -> (Result<()>, u32) {
        let calls = Cell::new(0);
        let result = retry(|| {
            calls.set(calls.get() + 1);
            if calls.get() > failures { answer } else { Err(Errno::EAGAIN) }
        });
        (result, calls.get())
    }

    #[test]
    fn a_call_is_made_until_the_answer_is_certain() {
        assert_eq!(answers_after(0, Ok(())), (Ok(()), 1));
        assert_eq!(answers_after(7, Ok(())), (Ok(()), 8));
        assert_eq!(answers_after(7, Err(Errno::ENOENT)), (Err(Errno::ENOENT), 8));
    }

    #[test]
    fn and_not_for_ever() {
        assert_eq!(answers_after(u32::MAX, Ok(())), (Err(Errno::EAGAIN), ATTEMPTS));
    }
}
