//! Claims, and how they are put to the test.

use std::io;
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::{Context, Error, Result, anyhow};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::errno::Errno;
use nix::unistd::geteuid;

use crate::evidence::{Refuted, Skip};
use crate::host::{Host, Identity, Needs, Setting};
use crate::launch::Step;
use crate::paths::STEPS;
use crate::report;

type Check = fn(&Step) -> Result<()>;

/// Something that a chapter says its step does.
#[derive(Clone, Copy)]
pub struct Claim {
    /// The claim in one sentence.
    pub says: &'static str,
    pub(crate) check: Check,
    before: Before,
    only: Option<Identity>,
    hint: Option<&'static str>,
}

/// Which step a claim is refuted by.
#[derive(Clone, Copy)]
enum Before {
    /// The one before; before the first there is the host without a container.
    Previous,
    /// An earlier one, since the one before cannot do what the claim is about.
    Step(usize),
    /// None: it holds there, too.
    Nobody,
}

/// What this step brings: it holds here, and the step before is refuted.
pub fn introduces(says: &'static str, check: Check) -> Claim {
    Claim { says, check, before: Before::Previous, only: None, hint: None }
}

/// What holds here, and may have held before.
pub fn holds(says: &'static str, check: Check) -> Claim {
    Claim { says, check, before: Before::Nobody, only: None, hint: None }
}

/// Claims about one part of a step: when one breaks, `hint` is printed.
pub fn about(hint: &'static str, claims: Vec<Claim>) -> Vec<Claim> {
    claims.into_iter().map(|claim| claim.hint(hint)).collect()
}

impl Claim {
    /// Is only true, or can only be refuted, when `identity` starts the step.
    pub fn only(self, identity: Identity) -> Self {
        Claim { only: Some(identity), ..self }
    }

    /// Is refuted by step `number`, as the steps between cannot even do what the claim is about.
    pub fn against(self, number: usize) -> Self {
        Claim { before: Before::Step(number), ..self }
    }

    /// Tells whoever breaks it where to look: a file of the step, and a function in it.
    pub fn hint(self, hint: &'static str) -> Self {
        Claim { hint: self.hint.or(Some(hint)), ..self }
    }

    /// Where to look when it fails on this step.
    pub(crate) fn hint_for(&self, step: &str) -> String {
        let code =
            self.hint.map_or_else(|| format!("steps/{step}/src/lib.rs and main.rs"), str::to_owned);
        format!("{code}; chapter docs/src/{step}.md")
    }

    /// The number of the step that must fail it when it is claimed of step `number`.
    pub(crate) fn before(&self, number: usize) -> Option<usize> {
        match self.before {
            Before::Previous => Some(number - 1),
            Before::Step(before) => Some(before),
            Before::Nobody => None,
        }
    }

    /// Who this claim speaks of.
    pub(crate) fn identities(&self) -> impl Iterator<Item = Identity> + use<> {
        let only = self.only;
        [Identity::Root, Identity::User]
            .into_iter()
            .filter(move |identity| only.is_none_or(|it| it == *identity))
    }

    fn trial(self, number: usize, identity: Identity) -> Trial {
        Trial::ignorable_test(self.says, move || complete(self.decide(number, identity)))
            .with_kind(kind(identity))
    }

    /// Holds on the step, and not on the one before.
    fn decide(self, number: usize, identity: Identity) -> Result<()> {
        can_be(identity)?;
        let step = Step::new(number, identity)?;
        (self.check)(&step).with_context(|| step.name())?;
        match self.before(number) {
            Some(before) => refuted(self.check, &Step::new(before, identity)?),
            None => Ok(()),
        }
    }
}

/// The check fails on the step before, and because of what the kernel showed.
fn refuted(check: Check, before: &Step) -> Result<()> {
    match check(before) {
        Ok(()) => Err(anyhow!("proves nothing: it holds on {} as well", before.name())),
        Err(error) if error.is::<Refuted>() => Ok(()),
        Err(error) => {
            Err(error
                .context(format!("proves nothing: it could not be tried on {}", before.name())))
        }
    }
}

/// Why an ordinary user does not see what root would.
pub const NOT_ROOT: &str = "the tests were not started by root";

/// Whether tests can run as `identity` here.
pub(crate) fn can_be(identity: Identity) -> Result<()> {
    static ANSWERS: [OnceLock<Result<(), String>>; 2] = [const { OnceLock::new() }; 2];
    if identity == Identity::Root && report::only_user() {
        return crate::skip(format!("{}=user: the code is a stranger's", report::ONLY));
    }
    if identity == Identity::Root && !geteuid().is_root() {
        return crate::skip(NOT_ROOT);
    }
    let answer = ANSWERS[identity as usize].get_or_init(|| {
        match Host::new(identity, Needs::Root, Setting::Private) {
            Err(error) if refuses_namespaces(&error) => {
                Err(format!("this machine gives {} no namespaces", kind(identity)))
            }
            _ => Ok(()),
        }
    });
    answer.clone().or_else(crate::skip)
}

/// What the kernel answers where namespaces are switched off, restricted or used up.
fn refuses_namespaces(error: &Error) -> bool {
    let io =
        error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error).map(Errno::from_raw);
    matches!(io, Some(Errno::EPERM | Errno::EACCES | Errno::ENOSPC | Errno::EINVAL))
}

pub(crate) fn kind(identity: Identity) -> &'static str {
    match identity {
        Identity::Root => "root",
        Identity::User => "user",
    }
}

/// A result in the words of the test runner.
fn complete(result: Result<()>) -> Result<Completion, Failed> {
    match result {
        Ok(()) => Ok(Completion::Completed),
        Err(error) => {
            skipped(&error).map(Completion::ignored_with).ok_or_else(|| format!("{error:#}").into())
        }
    }
}

pub(crate) fn skipped(error: &Error) -> Option<String> {
    error.downcast_ref::<Skip>().map(Skip::to_string)
}

/// Puts the claims of a chapter to the test. `name` is the step's, as `03-uts`.
///
/// With `HARNESS_REPORT=json` in the environment it prints instead, claim by claim, what was run and
/// what the kernel showed: `make check` is made of that.
pub fn chapter(name: &str, claims: Vec<Claim>) -> ExitCode {
    let number = STEPS.iter().position(|step| *step == name).expect("the name of a step") + 1;
    if report::wanted() {
        return report::print_all(number, &claims);
    }
    let trials =
        |claim: Claim| claim.identities().map(move |identity| claim.trial(number, identity));
    // An ordinary user has no stand-in for the host, but names and ports on the machine itself:
    // experiments take turns.
    run(claims.into_iter().flat_map(trials).collect(), !geteuid().is_root())
}

/// A test that is about more than one step.
pub fn test(
    says: impl Into<String>,
    identity: Identity,
    check: impl FnOnce() -> Result<()> + Send + 'static,
) -> Trial {
    let check = move || complete(can_be(identity).and_then(|()| check()));
    Trial::ignorable_test(says, check).with_kind(kind(identity))
}

/// Runs tests; one after the other if they look at the machine as a whole.
pub fn suite(tests: Vec<Trial>, one_by_one: bool) -> ExitCode {
    run(tests, one_by_one)
}

fn run(trials: Vec<Trial>, one_by_one: bool) -> ExitCode {
    let mut arguments = Arguments::from_args();
    if one_by_one {
        arguments.test_threads = Some(1);
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
