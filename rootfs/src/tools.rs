//! The tools that the course uses, by the Debian package that contains them.

/// A package and those of its programs that a tree of kind `host` gets.
pub struct Package {
    pub name: &'static str,
    pub tools: &'static [&'static str],
}

const fn package(name: &'static str, tools: &'static [&'static str]) -> Package {
    Package { name, tools }
}

/// All tools; a machine need not have every one.
#[rustfmt::skip]
pub const PACKAGES: &[Package] = &[
    package("bash", &["bash"]),
    package("dash", &["sh"]),
    package("coreutils", &[
        "basename", "cat", "chmod", "chown", "chroot", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env",
        "expr", "false", "head", "id", "ln", "ls", "mkdir", "mkfifo", "mknod", "mktemp", "mv", "nice", "nproc",
        "printf", "readlink", "realpath", "rm", "rmdir", "seq", "sleep", "sort", "stat", "stty", "tail", "tee", "test",
        "timeout", "touch", "tr", "true", "tty", "uname", "uniq", "wc", "whoami", "yes",
    ]),
    package("grep", &["grep"]),
    package("sed", &["sed"]),
    package("mawk", &["awk"]),
    package("findutils", &["find", "xargs"]),
    package("less", &["less"]),
    package("vim-tiny", &["vi"]),
    package("procps", &["free", "kill", "pgrep", "pkill", "ps", "top", "uptime", "watch"]),
    package("psmisc", &["pstree"]),
    package("iproute2", &["ip", "ss"]),
    package("iputils-ping", &["ping"]),
    package("hostname", &["domainname", "hostname"]),
    package("netcat-openbsd", &["nc"]),
    package("mount", &["mount", "umount"]),
    package("util-linux", &[
        "dmesg", "findmnt", "ipcmk", "ipcrm", "ipcs", "lsipc", "lsns", "nsenter", "setpriv", "setsid", "unshare",
    ]),
    package("strace", &["strace"]),
    package("libcap2-bin", &["capsh"]),
    package("ncurses-bin", &["clear", "reset", "tput"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_tool_stands_twice() {
        let all: Vec<_> = PACKAGES.iter().flat_map(|package| package.tools).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}
