//! What chapter 03 claims, checked against the kernel.

use std::process::ExitCode;

use harness::{chapter, holds, introduces};

fn main() -> ExitCode {
    chapter(
        "03-uts",
        vec![
            introduces("the container has a UTS namespace of its own", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("UTS namespace of the payload", container.payload.ns("uts")?)
                    .differs_from(step.host().ns("uts")?)
            }),
            introduces("the host name inside is the one given", |step| {
                let container =
                    step.launch().option("--hostname", "web").start(&["sleep", "30"])?;
                step.expect("host name of the payload", container.payload.hostname()?).equals("web")
            }),
            introduces("the host name inside is `container` if none is given", |step| {
                let container = step.start(&["sleep", "30"])?;
                step.expect("host name of the payload", container.payload.hostname()?)
                    .equals("container")
            }),
            introduces("the domain name inside is the one given", |step| {
                let container =
                    step.launch().option("--domainname", "example").start(&["sleep", "30"])?;
                step.expect("domain name of the payload", container.payload.domainname()?)
                    .equals("example")
            }),
            introduces("root inside does not rename the host", |step| {
                let before = step.host().process().hostname()?;
                let launch = step.launch().rootfs(&step.host().rootfs_with_try_call()?);
                let answer = step.try_call(&launch, &["sethostname", "renamed"])?;
                step.expect("sethostname inside", answer).equals(Ok(()))?;
                step.expect("host name outside, afterwards", step.host().process().hostname()?)
                    .equals(before)
            }),
            holds("the step itself does not rename the host", |step| {
                let before = step.host().process().hostname()?;
                let container =
                    step.launch().option("--hostname", "web").start(&["sleep", "30"])?;
                step.expect("host name outside", step.host().process().hostname()?)
                    .equals(&*before)?;
                drop(container);
                step.expect("host name outside, afterwards", step.host().process().hostname()?)
                    .equals(&*before)
            }),
            holds("a host name of 64 bytes is kept whole", |step| {
                let name = "x".repeat(64);
                let container =
                    step.launch().option("--hostname", &name).start(&["sleep", "30"])?;
                step.expect("host name of the payload", container.payload.hostname()?).equals(name)
            }),
        ],
    )
}
