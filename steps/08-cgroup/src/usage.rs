//! What the kernel counted, in one line.

use std::collections::HashMap;
use std::fs;

use crate::Node;
use crate::hierarchy::Version::{V1, V2};

/// `used 1.60 s of CPU, throttled in 20 periods of 100 ms, …`, with the parts that the group's controllers count.
pub fn of(nodes: &[Node]) -> String {
    let counted = |counter: &Counter| counter.read(nodes).map(|value| (counter.tell)(value));
    let parts: Vec<String> = COUNTERS.iter().filter_map(counted).collect();
    let hint = if Counter::OOM.read(nodes) > Some(0.0) { "\nhint: raise --memory" } else { "" };
    format!("used {}{hint}", parts.join(", "))
}

/// A number in a file of v1 and one of v2: the key of its line (none where it is the only one) and what makes it a
/// second or a byte.
struct Counter {
    v1: (&'static str, &'static str, f64),
    v2: (&'static str, &'static str, f64),
    tell: fn(f64) -> String,
}

const NANO: f64 = 1e-9;
const MICRO: f64 = 1e-6;

const COUNTERS: [Counter; 5] = [
    Counter {
        v1: ("cpuacct.usage", "", NANO),
        v2: ("cpu.stat", "usage_usec", MICRO),
        tell: |seconds| format!("{seconds:.2} s of CPU"),
    },
    Counter {
        v1: ("cpu.stat", "nr_throttled", 1.0),
        v2: ("cpu.stat", "nr_throttled", 1.0),
        tell: |periods| format!("throttled in {periods} periods of 100 ms"),
    },
    Counter {
        v1: ("memory.max_usage_in_bytes", "", 1.0),
        v2: ("memory.peak", "", 1.0),
        tell: |bytes| format!("at most {:.1} MiB of memory", bytes / f64::from(1 << 20)),
    },
    Counter::OOM,
    Counter {
        v1: ("pids.events", "max", 1.0),
        v2: ("pids.events", "max", 1.0),
        tell: |forks| format!("refused forks: {forks}"),
    },
];

impl Counter {
    const OOM: Counter = Counter {
        v1: ("memory.oom_control", "oom_kill", 1.0),
        v2: ("memory.events", "oom_kill", 1.0),
        tell: |kills| format!("out-of-memory kills: {kills}"),
    };

    /// The number, from the first group that has it.
    fn read(&self, nodes: &[Node]) -> Option<f64> {
        nodes.iter().find_map(|node| {
            let (file, key, unit) = match node.hierarchy.version {
                V1 => self.v1,
                V2 => self.v2,
            };
            let content = fs::read_to_string(node.dir.join(file)).ok()?;
            let numbers: HashMap<&str, &str> =
                content.lines().map(|line| line.split_once(' ').unwrap_or(("", line))).collect();
            numbers.get(key)?.parse::<f64>().ok().map(|number| number * unit)
        })
    }
}
