//! The program `queue` of chapter 04.

use nix::errno::Errno::{EACCES, EAGAIN, EINVAL, EMFILE, ENOENT, ENOMSG, ENOSPC};

use super::when::ALWAYS;
use super::{Row, row};

pub const ROWS: &[Row] = &[
    row!(
        "queue-absent",
        ["msgget ", "mq_open ", "mq_unlink "],
        [ENOENT],
        ALWAYS,
        "this IPC namespace has no such queue",
        "`queue list` shows those that it has, `queue send KEY TEXT` makes one",
    ),
    row!(
        "queue-empty",
        ["msgrcv ", "mq_receive "],
        [ENOMSG, EAGAIN],
        ALWAYS,
        "there is no message in the queue",
        "`queue send KEY TEXT` puts one there",
    ),
    row!(
        "queue-full",
        ["msgsnd ", "mq_send "],
        [EAGAIN],
        ALWAYS,
        "the queue is full",
        "`queue receive KEY` makes room",
    ),
    row!(
        "queue-closed",
        ["msgget ", "mq_open ", "mq_unlink "],
        [EACCES, EINVAL],
        ALWAYS,
        "the queue is another user's, or its name has a second slash",
        "choose another key, or a name like /mine",
    ),
    row!(
        "queue-bytes",
        ["mq_open "],
        [EMFILE],
        ALWAYS,
        "all your queues together may have no more bytes (RLIMIT_MSGQUEUE)",
        "`ulimit -q` shows how many: remove queues with `queue remove KEY`, or `sudo prlimit --msgqueue=unlimited --pid $$`",
    ),
    row!(
        "queue-limit",
        ["msgget ", "mq_open "],
        [ENOSPC],
        ALWAYS,
        "there are as many queues as there may be",
        "`queue remove KEY` removes one: `queue list` shows them; sysctl kernel.msgmni and fs.mqueue.queues_max are the limits",
    ),
];
