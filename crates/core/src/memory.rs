//! Whether there is room for what is about to be allocated: asked before, as a failed allocation
//! ends the process.

use crate::error::CoreError;
use std::cell::Cell;
use std::fs;
use std::path::Path;

/// Less than this is not asked for, where no limit was set.
const LITTLE: f64 = 64e6;

/// Sizes of memory pages, which the system counts in.
const PAGE: f64 = 4096.0;

/// Most bytes that the calls of a thread may take, and what the process held when that was set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    bytes: f64,
    held: f64,
}

impl Allowance {
    /// So many bytes more than the process holds now.
    pub fn of(bytes: f64) -> Self {
        Allowance { bytes, held: held() }
    }

    /// All of it.
    pub fn bytes(&self) -> f64 {
        self.bytes
    }

    /// What is left of it.
    fn left(&self) -> f64 {
        (self.bytes - (held() - self.held).max(0.0)).max(0.0)
    }
}

thread_local! {
    static ALLOWED: Cell<Option<Allowance>> = const { Cell::new(None) };
}

/// What the calls of this thread may take; none where only the machine limits them.
pub fn allowance() -> Option<Allowance> {
    ALLOWED.get()
}

/// Sets what the calls of this thread may take from now on; returns what they might before.
pub fn allow(allowance: Option<Allowance>) -> Option<Allowance> {
    ALLOWED.replace(allowance)
}

/// Whether so few bytes are there in any case.
pub fn is_little(bytes: f64) -> bool {
    bytes < LITTLE && allowance().is_none()
}

/// Runs `f` with so many bytes to take, where a number is given and no allowance is in force.
pub fn within<T>(bytes: Option<f64>, f: impl FnOnce() -> T) -> T {
    let Some(bytes) = bytes.filter(|_| allowance().is_none()) else { return f() };
    let before = allow(Some(Allowance::of(bytes)));
    let out = f();
    allow(before);
    out
}

/// Sees that so many numbers can be held. `what` they are is for the message.
///
/// # Errors
/// [`CoreError::NoRoom`] where they cannot.
pub fn room_for(numbers: f64, what: impl FnOnce() -> String) -> Result<(), CoreError> {
    let bytes = 8.0 * numbers;
    if is_little(bytes) {
        return Ok(());
    }
    let free = available().filter(|&free| bytes > free);
    // what else the system refuses shows when it is asked for
    let refused = || bytes > isize::MAX as f64 || Vec::<u8>::new().try_reserve_exact(bytes as usize).is_err();
    if free.is_some() || refused() {
        return Err(CoreError::NoRoom { what: what(), bytes, free });
    }
    Ok(())
}

/// Bytes that can be taken now: the least of what the machine, its control groups, the limit of the
/// address space and the allowance of the thread leave. None where nothing is known of them.
pub fn available() -> Option<f64> {
    let left = [of_machine(), of_groups(), of_address_space(), allowance().map(|a| a.left())];
    left.into_iter().flatten().reduce(f64::min)
}

/// Bytes of memory that the machine can give without swapping.
fn of_machine() -> Option<f64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb * 1024.0)
}

/// Bytes that the process holds in memory.
fn held() -> f64 {
    of_process(1).unwrap_or(0.0)
}

/// Bytes of the process by the place of their number of pages in what the system says.
fn of_process(place: usize) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(place)?.parse::<f64>().ok().map(|pages| pages * PAGE)
}

/// What the limit of the address space leaves.
fn of_address_space() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("Max address space"))?;
    let limit = line.split_whitespace().next()?.parse::<f64>().ok()?;
    Some((limit - of_process(0)?).max(0.0))
}

/// What the control groups of the process leave, of both versions.
fn of_groups() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups.lines().filter_map(left_in_group).chain(roots().into_iter().flatten()).reduce(f64::min)
}

/// Inside a container its group is the root.
fn roots() -> [Option<f64>; 2] {
    let root = Path::new("/sys/fs/cgroup");
    [
        left_in(root, "memory.max", "memory.current"),
        left_in(&root.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ]
}

/// Of a group, as a line of the process's list names it, and those around it.
fn left_in_group(line: &str) -> Option<f64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
    let (root, limit, used) = if controllers.is_empty() {
        (Path::new("/sys/fs/cgroup"), "memory.max", "memory.current")
    } else if controllers.split(',').any(|c| c == "memory") {
        (Path::new("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
    } else {
        return None;
    };
    let group = root.join(path);
    group.ancestors().take_while(|a| a.starts_with(root)).filter_map(|a| left_in(a, limit, used)).reduce(f64::min)
}

fn left_in(group: &Path, limit: &str, used: &str) -> Option<f64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<f64>().ok();
    Some((number(limit)? - number(used)?).max(0.0))
}
