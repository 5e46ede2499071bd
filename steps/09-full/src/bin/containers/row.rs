//! What is known of one container.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use full::reach::groups::Groups;
use full::reach::publish::Port;
use full::reach::running::Container;
use serde::Serialize;

/// A row of the list. Text is as its author wrote it, and must be escaped for a terminal.
#[derive(Serialize)]
pub struct Row {
    pub name: String,
    /// Process 1 of the container, by its number outside.
    pub pid: i32,
    pub user: String,
    pub address: Option<Ipv4Addr>,
    pub ports: Vec<Port>,
    pub rootfs: String,
    /// For how long it has been running.
    pub seconds: u64,
    pub cpu_seconds: Option<f64>,
    pub cpus: Option<f64>,
    pub memory: Option<f64>,
    pub memory_limit: Option<f64>,
    pub pids: Option<f64>,
    pub pids_limit: Option<f64>,
    pub command: Vec<String>,
}

impl Row {
    /// # Errors
    /// The container is just ending.
    pub fn new(container: &Container) -> Result<Row> {
        let groups = Groups::own(container)?;
        let ((memory, memory_limit), (pids, pids_limit)) = (groups.memory(), groups.pids());
        Ok(Row {
            name: container.name.clone(),
            pid: container.init.pid,
            user: container.user(),
            address: container.address(),
            ports: container.ports().to_vec(),
            rootfs: container.rootfs().to_owned(),
            seconds: container.age()?.as_secs(),
            cpu_seconds: groups.cpu_time(),
            cpus: groups.cpus(),
            memory,
            memory_limit,
            pids,
            pids_limit,
            command: container.payload()?.cmdline().context("read its /proc/PID/cmdline")?,
        })
    }
}
