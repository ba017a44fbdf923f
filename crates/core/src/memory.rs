//! Whether there is room for what is about to be allocated: asked before, as a failed allocation
//! ends the process.

use crate::error::CoreError;

/// Less than this is not asked for.
const LITTLE: f64 = 64e6;

/// Sees that so many numbers can be held. `what` they are is for the message.
///
/// # Errors
/// [`CoreError::NoRoom`] where they cannot.
pub fn room_for(numbers: f64, what: impl FnOnce() -> String) -> Result<(), CoreError> {
    let bytes = 8.0 * numbers;
    if bytes < LITTLE {
        return Ok(());
    }
    let free = of_machine("MemAvailable:");
    let free = free.filter(|&free| bytes > free);
    // a limit of the process shows when it is asked for
    let refused = || bytes > isize::MAX as f64 || Vec::<u8>::new().try_reserve_exact(bytes as usize).is_err();
    if free.is_some() || refused() {
        return Err(CoreError::NoRoom { what: what(), bytes, free });
    }
    Ok(())
}

/// Bytes that so many bytes should not exceed: a part of the machine's memory, and what is free of
/// it where they are not few.
pub(crate) fn limit_of(bytes: f64) -> Option<f64> {
    let all = of_machine("MemTotal:").map(|b| 0.8 * b)?;
    let free = if bytes < LITTLE { None } else { of_machine("MemAvailable:") };
    Some(free.map_or(all, |f| all.min(f)))
}

/// Bytes on a line of what the operating system tells, where it does.
fn of_machine(line: &str) -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with(line))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb * 1024.0)
}
