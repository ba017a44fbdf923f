//! Long computations in threads of their own, while the calling thread listens to Python: signals reach the main thread only.

use crate::threads::with_threads;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use ranef_core::replicate::Watched;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::time::Duration;

/// How often Python is asked whether to go on.
const INTERVAL: Duration = Duration::from_millis(50);

/// Runs `f` with the interpreter released. `progress` is called with the number of replicates finished and of all.
/// An interrupt from the keyboard ends the computation early; the second value says that this happened.
///
/// # Errors
/// What `progress` or another signal handler raised.
pub fn supervised<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    n: usize,
    n_threads: usize,
    f: impl FnOnce(&Watched) -> T + Send,
) -> PyResult<(T, bool)> {
    let watched = Watched::default();
    let report = |finished: usize| -> PyResult<()> {
        Python::attach(|py| {
            py.check_signals()?;
            if let Some(p) = progress {
                p.call1(py, (finished, n))?;
            }
            Ok(())
        })
    };
    let mut error: Option<PyErr> = None;
    let result = py.detach(|| {
        std::thread::scope(|scope| {
            let (alive, ended) = channel::<()>();
            let watched = &watched;
            let work = std::thread::Builder::new().spawn_scoped(scope, move || {
                let _alive = alive;
                with_threads(n_threads, || f(watched))
            })?;
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(INTERVAL) {
                if error.is_none() {
                    if let Err(e) = report(watched.finished.load(Ordering::Relaxed)) {
                        watched.stop.store(true, Ordering::Relaxed);
                        error = Some(e);
                    }
                }
            }
            Ok::<_, std::io::Error>(work.join())
        })
    });
    let value = match result {
        Ok(Ok(v)) => v,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(e) => return Err(PyRuntimeError::new_err(format!("no thread could be started: {e}"))),
    };
    let interrupted = match error {
        Some(e) if e.is_instance_of::<PyKeyboardInterrupt>(py) => true,
        Some(e) => return Err(e),
        None => false,
    };
    if !interrupted {
        report(watched.finished.load(Ordering::Relaxed))?;
    }
    Ok((value, interrupted))
}
