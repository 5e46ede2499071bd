//! Subordinate ids: the container gets 65536, which are nobody's outside. Only where the caller may
//! not give any away, root inside is the caller.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use common::{Failure, Operation, Tried};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{execv, getegid, geteuid, getpid};
use user::{Gate, IdMap, Ids, Options};

use table::{ranges_of, root_maps, user_maps};

mod table;

/// The two kinds of ids: the file that gives ranges of them away, and the program that maps them.
const KINDS: [(&str, &str); 2] = [("/etc/subuid", "newuidmap"), ("/etc/subgid", "newgidmap")];

/// Returns the ids that the options ask for, by default those of the caller in subuid(5) and
/// subgid(5). Without any there, root gets a fixed range, and an ordinary user only their own id.
///
/// # Errors
/// Somebody else has the fixed range in one of those files.
pub fn choose(options: &Options) -> Result<Ids> {
    let own = user::ids(options)?;
    if options.ids_given() {
        return Ok(own);
    }
    let tables = KINDS.map(|(file, _)| fs::read_to_string(file).unwrap_or_default());
    let ranges = tables.each_ref().map(|table| ranges_of(table, geteuid().as_raw()));
    let [uids, gids] = if geteuid().is_root() {
        [root_maps(&ranges[0], &tables[0])?, root_maps(&ranges[1], &tables[1])?]
    } else if ranges.iter().any(Vec::is_empty) || !can_run_newuidmap() {
        return Ok(own);
    } else {
        let [uids, gids] = ranges;
        [user_maps(geteuid().as_raw(), &uids), user_maps(getegid().as_raw(), &gids)]
    };
    let ids = Ids { uids, gids };
    Ok(if are_mapped_here(&ids) || !geteuid().is_root() { ids } else { own })
}

/// Whether this process can give those ids away.
pub fn are_mapped_here(ids: &Ids) -> bool {
    let table = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    ids.uids.iter().chain(&ids.gids).all(|map| contains(&table, map))
}

/// An ordinary user goes on in a user namespace that has these ids, each standing for itself, and
/// from there may give them to the container. Its network namespace stands in for the host's, as in
/// chapter 07.
///
/// Only newuidmap(1), which is set-user-ID root, may give an ordinary user's namespace more than
/// one id, and only from outside. So both programs are started before this process leaves.
///
/// # Errors
/// One of the two programs refuses.
pub fn stand_in(options: &Options, ids: &Ids) -> Result<()> {
    if !options.ids_given() && !geteuid().is_root() && is_powerless() {
        let failure = Failure::new("newuidmap would have no rights").of(Operation::RunNewuidmap);
        common::warn(&failure.into(), "the container has one id instead of 65536");
    }
    let several = ids.uids.len() > 1 || ids.uids.iter().any(|map| map.count > 1);
    if geteuid().is_root() || !several || ids.uids[0].outside != geteuid().as_raw() {
        return Ok(());
    }
    let mappings = [(KINDS[0].1, &ids.uids), (KINDS[1].1, &ids.gids)];
    let launcher = getpid().to_string();
    let start = |(program, maps): (&'static str, &Vec<IdMap>)| {
        let gate = Gate::new()?;
        let run = |_: &_| gate.wait().and_then(|()| map_from_outside(program, &launcher, maps));
        Ok((pid::spawn(&pid::clone_args(&[]), run)?, gate))
    };
    let helpers = mappings.map(start).into_iter().collect::<Result<Vec<_>>>()?;
    move_into(CloneFlags::CLONE_NEWUSER, "unshare CLONE_NEWUSER")?;
    helpers.iter().try_for_each(|(_, gate)| gate.open())?; // they run side by side
    move_into(CloneFlags::CLONE_NEWNET, "unshare CLONE_NEWNET")?; // which takes as long as they do
    // The last one first: each restores the signal mask that was there when it started, and while
    // SIGCHLD is not blocked the end of the other one would pass unnoticed.
    let helpers = helpers.into_iter().rev();
    let codes = helpers.map(|(helper, _)| helper.wait()).collect::<Result<Vec<_>>>()?;
    if codes.iter().all(|code| *code == ExitCode::SUCCESS) {
        return Ok(());
    }
    let what = "newuidmap and newgidmap refused the ids of /etc/subuid and /etc/subgid";
    Err(Failure::new(what).of(Operation::RunNewuidmap).into())
}

fn move_into(namespace: CloneFlags, what: &str) -> Result<()> {
    unshare(namespace).tried(Operation::namespaces(namespace), what)
}

fn map_from_outside(program: &str, launcher: &str, maps: &[IdMap]) -> Result<Infallible> {
    let path = find(program).with_context(|| format!("find {program}"))?;
    let triples = maps.iter().flat_map(|map| [map.outside, map.outside, map.count]);
    let words = [program.to_owned(), launcher.to_owned()].into_iter();
    let words = words.chain(triples.map(|id| id.to_string())).map(CString::new);
    let path = CString::new(path.into_os_string().into_encoded_bytes())?;
    execv(&path, &words.collect::<Result<Vec<_>, _>>()?).with_context(|| format!("run {program}"))
}

/// Finds a program as execvp(3) does, also where PATH is not set.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin:/usr/sbin:/sbin".into());
    which::which_in(program, Some(path), "/").ok()
}

fn can_run_newuidmap() -> bool {
    find("newuidmap").is_some() && find("newgidmap").is_some() && !is_powerless()
}

/// A set-user-ID program has no more rights than its caller under a tracer such as strace(1), and
/// after no_new_privs.
fn is_powerless() -> bool {
    let traced = common::process_status("self", "TracerPid").is_some_and(|tracer| tracer != "0");
    traced || prctl::get_no_new_privs().unwrap_or(false)
}

/// Whether the ids outside are among those of this table: in another container root may have only a
/// few.
fn contains(table: &str, map: &IdMap) -> bool {
    table.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        let end = u64::from(map.outside) + u64::from(map.count);
        matches!(numbers[..], [first, _, count] if first <= map.outside.into() && end <= first + count)
    })
}
