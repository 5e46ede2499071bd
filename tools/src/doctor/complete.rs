//! What step 09 does beyond a container that runs: further ids, a layer for changes, a way out. It is
//! asked for each, all at the same time.

use super::ids;
use super::report::{Finding, Verdict};
use super::steps::{Steps, Trial};

/// A container for each.
pub struct Trials {
    ids: Trial,
    layer: Trial,
    way_out: Trial,
}

/// Starts them.
pub fn start(steps: &Steps) -> Trials {
    let start = |option| steps.start(9, &[option]);
    Trials { ids: ids::start(steps), layer: start("--overlay"), way_out: start("--internet") }
}

/// What became of them.
pub fn findings(trials: Trials) -> Vec<Finding> {
    let layer = trials.layer.finish().about("overlay");
    let way_out = trials.way_out.finish().about("internet");
    vec![
        ids::finding(trials.ids.finish()),
        layer.finding("overlay", "changes go to a layer, for images too", Verdict::Limited),
        way_out.finding("internet", "--internet leads out to the network", Verdict::Limited),
    ]
}
