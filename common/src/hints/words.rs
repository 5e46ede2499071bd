//! The operations of errors that do not name theirs yet, guessed from their words.

use crate::Operation::{
    self, BuildTree, CreateLink, CreateNamespaces, EnterStrictMode, FindContainer, FindTerminal,
    Fork, JoinKeyring, Listen, TypeOnTerminal,
};

/// The first words that an error contains decide.
const WORDS: &[(&str, Operation)] = &[
    ("unshare CLONE_NEWTIME", CreateNamespaces),
    ("clone: ", Fork),
    ("listen on ", Listen),
    ("keyctl ", JoinKeyring),
    ("seccomp SECCOMP_SET_MODE_STRICT", EnterStrictMode),
    ("no container ", FindContainer),
    ("no terminal to type on", FindTerminal),
    ("ioctl TIOCSTI", TypeOnTerminal),
    ("link /", CreateLink),
    ("in the tree", BuildTree),
    ("make directory ", BuildTree),
    (".lock: ", BuildTree),
];

pub fn operation(text: &str) -> Option<Operation> {
    WORDS.iter().find(|(words, _)| text.contains(words)).map(|&(_, operation)| operation)
}
