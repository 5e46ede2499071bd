//! What chapter 03 claims, checked against the kernel.

use std::process::ExitCode;

use harness::{chapter, claim};

fn main() -> ExitCode {
    chapter(
        "03-uts",
        vec![claim("the container has a UTS namespace of its own", |step| {
            let container = step.start(&["sleep", "30"])?;
            step.expect("UTS namespace of the payload", container.payload.ns("uts")?)
                .differs_from(step.host().ns("uts")?)
        })],
    )
}
