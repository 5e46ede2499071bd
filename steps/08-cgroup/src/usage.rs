//! What the kernel counted, in one line.

use std::fs;

use crate::Node;
use crate::hierarchy::Version::{V1, V2};

/// `used 1.60 s of CPU, throttled in 20 periods of 100 ms, …`: a part for each controller that
/// limits something.
pub fn of(nodes: &[Node]) -> String {
    let tell = |counter: &&Counter| counter.read(nodes).and_then(counter.tell);
    let parts: Vec<String> = COUNTERS.iter().filter_map(tell).collect();
    let hint = if OUT_OF_MEMORY.read(nodes) > Some(0.0) { "\nhint: raise --memory" } else { "" };
    format!("used {}{hint}", parts.join(", "))
}

/// A number that a controller keeps in a file of v1 and one of v2: the key of its line (none where
/// it is the only one), and what makes it a second, a MiB or an event.
struct Counter {
    controllers: &'static [&'static str],
    v1: (&'static str, &'static str, f64),
    v2: (&'static str, &'static str, f64),
    tell: fn(f64) -> Option<String>,
}

const NANO: f64 = 1e-9;
const MICRO: f64 = 1e-6;
const MEBI: f64 = 1.0 / (1 << 20) as f64;

const COUNTERS: [&Counter; 5] = [
    &Counter {
        controllers: &["cpu", "cpuacct", "memory", "pids"], // v2 counts CPU time in every group
        v1: ("cpuacct.usage", "", NANO),
        v2: ("cpu.stat", "usage_usec", MICRO),
        tell: |seconds| Some(format!("{seconds:.2} s of CPU")),
    },
    &Counter {
        controllers: &["cpu"],
        v1: ("cpu.stat", "nr_throttled", 1.0),
        v2: ("cpu.stat", "nr_throttled", 1.0),
        tell: |periods| Some(format!("throttled in {periods} periods of 100 ms")),
    },
    &Counter {
        controllers: &["memory"],
        v1: ("memory.max_usage_in_bytes", "", MEBI),
        v2: ("memory.peak", "", MEBI), // since Linux 5.19
        tell: |mebibytes| Some(format!("at most {mebibytes:.1} MiB of memory")),
    },
    &OUT_OF_MEMORY,
    &Counter {
        controllers: &["pids"],
        v1: ("pids.events", "max", 1.0),
        v2: ("pids.events", "max", 1.0),
        tell: |forks| (forks > 0.0).then(|| format!("forks refused: {forks}")),
    },
];

const OUT_OF_MEMORY: Counter = Counter {
    controllers: &["memory"],
    v1: ("memory.oom_control", "oom_kill", 1.0),
    v2: ("memory.events", "oom_kill", 1.0),
    tell: |kills| (kills > 0.0).then(|| format!("killed for want of memory: {kills}")),
};

impl Counter {
    /// The number, from the first group that has it.
    fn read(&self, nodes: &[Node]) -> Option<f64> {
        let limits =
            |node: &&Node| self.controllers.iter().any(|controller| node.hierarchy.has(controller));
        nodes.iter().filter(limits).find_map(|node| {
            let (file, key, unit) = match node.hierarchy.version {
                V1 => self.v1,
                V2 => self.v2,
            };
            let content = fs::read_to_string(node.dir.join(file)).ok()?;
            let mut lines = content.lines().map(|line| line.split_once(' ').unwrap_or(("", line)));
            let (_, number) = lines.find(|(name, _)| *name == key)?;
            number.parse::<f64>().ok().map(|number| number * unit)
        })
    }
}
