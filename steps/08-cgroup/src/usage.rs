//! What the kernel counted, in one line.

use crate::Node;
use crate::files::{CPU_TIME, Counter, FORKS_REFUSED, MEMORY_PEAK, OOM_KILLS, THROTTLED};

/// Returns `used 1.60 s of CPU, throttled in 20 periods of 100 ms, …`: a part for each controller
/// that limits something.
pub fn describe(nodes: &[Node]) -> String {
    let parts: Vec<String> = PARTS.iter().filter_map(|part| part.describe(nodes)).collect();
    let killed = nodes.iter().any(|node| node.dir.read(&OOM_KILLS) > Some(0.0));
    format!("used {}{}", parts.join(", "), if killed { "\nhint: raise --memory" } else { "" })
}

/// A counter, the controllers that show it if they limit something, and its words.
struct Part {
    counter: Counter,
    controllers: &'static [&'static str],
    words: fn(f64) -> Option<String>,
}

const MEBI: f64 = (1 << 20) as f64;

const PARTS: [Part; 5] = [
    Part {
        counter: CPU_TIME,
        controllers: &["cpu", "cpuacct", "memory", "pids"], // v2 counts CPU time in every group
        words: |seconds| Some(format!("{seconds:.2} s of CPU")),
    },
    Part {
        counter: THROTTLED,
        controllers: &["cpu"],
        words: |periods| Some(format!("throttled in {periods} periods of 100 ms")),
    },
    Part {
        counter: MEMORY_PEAK,
        controllers: &["memory"],
        words: |bytes| Some(format!("at most {:.1} MiB of memory", bytes / MEBI)),
    },
    Part {
        counter: OOM_KILLS,
        controllers: &["memory"],
        words: |kills| {
            (kills > 0.0).then(|| format!("killed by the out-of-memory killer: {kills}"))
        },
    },
    Part {
        counter: FORKS_REFUSED,
        controllers: &["pids"],
        words: |forks| (forks > 0.0).then(|| format!("forks refused: {forks}")),
    },
];

impl Part {
    /// Takes the number from the first group that has it.
    fn describe(&self, nodes: &[Node]) -> Option<String> {
        let shows = |node: &&Node| self.controllers.iter().any(|name| node.has(name));
        let number = nodes.iter().filter(shows).find_map(|node| node.dir.read(&self.counter))?;
        (self.words)(number)
    }
}
