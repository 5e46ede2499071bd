//! What a complete container has besides the mechanisms of the chapters before: for `09-full`, which starts one, and for
//! the programs that find and join one that runs.

pub mod capabilities;
pub mod idmap;
pub mod ids;
pub mod init;
pub mod masks;
pub mod process;
pub mod volumes;
