//! Lists of system calls, by their names.

/// The names are in bytes, because the compiler can compare those while it compiles.
pub type Calls = &'static [&'static [u8]];

/// The names that follow.
macro_rules! calls {
    ($($name:ident)*) => { &[$(stringify!($name).as_bytes()),*] };
}
pub(super) use calls;
