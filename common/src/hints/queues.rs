//! The program `queue` of chapter 04.

use nix::errno::Errno::{EACCES, EAGAIN, EINVAL, EMFILE, ENOENT, ENOMSG, ENOSPC};

use super::when::DESCRIPTORS_LEFT;
use super::{Row, check, row};
use crate::Operation::{OpenQueue, ReceiveMessage, SendMessage};

pub const ROWS: &[Row] = &[
    row!(
        "queue-absent",
        [OpenQueue],
        [ENOENT],
        [],
        "this IPC namespace has no such queue",
        "`queue list` lists those that it has, `queue send KEY TEXT` creates one",
    ),
    row!(
        "queue-empty",
        [ReceiveMessage],
        [ENOMSG, EAGAIN],
        [],
        "there is no message in the queue",
        "`queue send KEY TEXT` puts one there",
    ),
    row!(
        "queue-full",
        [SendMessage],
        [EAGAIN],
        [],
        "the queue is full",
        "`queue receive KEY` makes room",
    ),
    check!(
        "queue-closed",
        [OpenQueue],
        [EACCES, EINVAL],
        [],
        "a name has one slash, at its beginning, as /mine; and `ls -l /dev/mqueue` and `ipcs -q` show whose the queue \
         is: choose another key",
    ),
    row!(
        "queue-bytes",
        [OpenQueue],
        [EMFILE],
        [DESCRIPTORS_LEFT],
        "all your queues together have reached their limit of bytes (RLIMIT_MSGQUEUE)",
        "`ulimit -q` shows the limit: remove queues with `queue remove KEY`, or `sudo prlimit --msgqueue=unlimited \
         --pid $$`",
    ),
    row!(
        "queue-limit",
        [OpenQueue],
        [ENOSPC],
        [],
        "the limit on queues is reached",
        "`queue list` lists them, `queue remove KEY` removes one; sysctl kernel.msgmni and fs.mqueue.queues_max are \
         the limits",
    ),
];
