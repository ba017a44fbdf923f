//! Ctrl-C and progress while the interpreter is released.

use pyo3::prelude::*;
use std::time::{Duration, Instant};

/// Asks Python now and then whether to go on, and reports progress.
pub(crate) struct Watch {
    progress: Option<Py<PyAny>>,
    last: Instant,
    /// The highest count reported: threads may tell of theirs out of turn.
    reported: usize,
    pub(crate) error: Option<PyErr>,
}

impl Watch {
    pub(crate) fn new(progress: Option<Py<PyAny>>) -> Self {
        Watch { progress, last: Instant::now(), reported: 0, error: None }
    }

    /// Whether no signal has come; asks now and then.
    pub(crate) fn check(&mut self) -> bool {
        if self.last.elapsed() < Duration::from_millis(50) {
            return true;
        }
        self.last = Instant::now();
        match Python::attach(|py| py.check_signals()) {
            Ok(()) => true,
            Err(e) => {
                self.error = Some(e);
                false
            }
        }
    }

    pub(crate) fn go_on(&mut self, count: usize, value: f64) -> bool {
        if self.progress.is_none() && self.last.elapsed() < Duration::from_millis(50) {
            return true;
        }
        self.last = Instant::now();
        let result = Python::attach(|py| {
            py.check_signals()?;
            if let (Some(p), true) = (&self.progress, count > self.reported) {
                self.reported = count;
                p.call1(py, (count, value))?;
            }
            Ok(())
        });
        match result {
            Ok(()) => true,
            Err(e) => {
                self.error = Some(e);
                false
            }
        }
    }
}
