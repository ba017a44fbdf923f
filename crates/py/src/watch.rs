//! Long computations with the interpreter released: Ctrl-C and progress.

use crate::threads::with_threads;
use numpy::PyArray1;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use ranef_core::memory;
use ranef_core::watch::{set_stop_flag, Watch};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often Python is asked for signals.
const INTERVAL: Duration = Duration::from_millis(50);

/// Seconds that a single step of a computation may take before it is better done in another thread,
/// while this one waits for signals.
pub(crate) const LONG: f64 = 0.1;

/// Rows, and levels, from which on setting up a model takes a while.
pub(crate) const MANY_ROWS: usize = 200_000;
pub(crate) const MANY_LEVELS: usize = 10_000;

/// Asks Python now and then whether to go on, and reports progress.
struct Watcher {
    /// Set once the computation is to end.
    stop: Arc<AtomicBool>,
    /// Whether the computation runs in the thread that called, which then asks for signals itself:
    /// Python answers them in its main thread only.
    asks: bool,
    progress: Option<Py<PyAny>>,
    /// Called with where a search stands.
    keep: Option<Py<PyAny>>,
    state: Mutex<State>,
}

struct State {
    last: Instant,
    /// The highest count reported: threads may tell of theirs out of turn.
    reported: usize,
    error: Option<PyErr>,
}

impl Watcher {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Keeps what Python raised; whether to go on.
    fn heard(&self, state: &mut State, answer: PyResult<()>) -> bool {
        if let Err(e) = answer {
            state.error.get_or_insert(e);
            self.stop.store(true, Ordering::Relaxed);
            return false;
        }
        true
    }

    fn report(&self, count: usize, arguments: impl FnOnce(Python<'_>, &Py<PyAny>) -> PyResult<()>) -> bool {
        let Some(progress) = &self.progress else {
            return self.go_on();
        };
        if self.stop.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.state();
        state.last = Instant::now();
        let tell = count > state.reported;
        let answer = Python::attach(|py| {
            py.check_signals()?;
            if tell {
                arguments(py, progress)?;
            }
            Ok(())
        });
        state.reported = state.reported.max(count);
        self.heard(&mut state, answer)
    }
}

impl Watch for Watcher {
    fn go_on(&self) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return false;
        }
        if !self.asks {
            return true;
        }
        let mut state = self.state();
        if state.last.elapsed() < INTERVAL {
            return true;
        }
        state.last = Instant::now();
        let answer = Python::attach(|py| py.check_signals());
        self.heard(&mut state, answer)
    }

    fn evaluated(&self, evaluations: usize, criterion: f64) -> bool {
        self.report(evaluations, |py, p| p.call1(py, (evaluations, criterion)).map(drop))
    }

    fn finished(&self, parts: usize, of: usize) -> bool {
        self.report(parts, |py, p| p.call1(py, (parts, of)).map(drop))
    }

    fn keeps(&self) -> bool {
        self.keep.is_some()
    }

    fn keep(&self, standing: &[f64]) -> bool {
        let Some(keep) = &self.keep else { return true };
        let mut state = self.state();
        let answer = Python::attach(|py| keep.call1(py, (PyArray1::from_slice(py, standing),)).map(drop));
        self.heard(&mut state, answer)
    }
}

/// Runs `f` with `n_threads` threads and the interpreter released; returns with its result what
/// `progress` or a signal handler raised, which made it end early.
fn watched<T: Send>(
    py: Python<'_>,
    heard: (Option<Py<PyAny>>, Option<Py<PyAny>>),
    n_threads: usize,
    long: bool,
    f: impl FnOnce(&dyn Watch) -> T + Send,
) -> (T, Option<PyErr>) {
    let (mut f, mut out) = (Some(f), None);
    let error = run(py, heard, n_threads, long, &mut |watch| out = f.take().map(|f| f(watch)));
    (out.expect("what is run is run once"), error)
}

/// The same of a call that keeps its result itself: one code for all.
fn run(
    py: Python<'_>,
    (progress, keep): (Option<Py<PyAny>>, Option<Py<PyAny>>),
    n_threads: usize,
    long: bool,
    f: &mut (dyn FnMut(&dyn Watch) + Send),
) -> Option<PyErr> {
    let waits = long || n_threads > 1;
    let state = Mutex::new(State { last: Instant::now(), reported: 0, error: None });
    let watcher = Watcher { stop: Arc::default(), asks: !waits, progress, keep, state };
    py.detach(|| {
        if !waits {
            return f(&watcher);
        }
        let allowed = memory::allowance();
        let (done, waiting) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let watcher = &watcher;
            let work = scope.spawn(move || {
                // dropped at the end, which wakes the waiting thread
                let _done = done;
                memory::allow(allowed);
                set_stop_flag(Some(watcher.stop.clone()));
                with_threads(n_threads, || f(watcher));
            });
            while let Err(mpsc::RecvTimeoutError::Timeout) = waiting.recv_timeout(INTERVAL) {
                if !watcher.stop.load(Ordering::Relaxed) {
                    let answer = Python::attach(|py| py.check_signals());
                    watcher.heard(&mut watcher.state(), answer);
                }
            }
            work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    });
    watcher.state.into_inner().unwrap_or_else(|e| e.into_inner()).error
}

/// Runs a computation that is of use only when finished.
///
/// # Errors
/// What `progress` or a signal handler raised.
pub(crate) fn whole<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    n_threads: usize,
    f: impl FnOnce(&dyn Watch) -> T + Send,
) -> PyResult<T> {
    whole_of(py, progress, n_threads, false, f)
}

/// The same; `long` says whether a single step takes more than [`LONG`].
///
/// # Errors
/// What `progress` or a signal handler raised.
pub(crate) fn whole_of<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    n_threads: usize,
    long: bool,
    f: impl FnOnce(&dyn Watch) -> T + Send,
) -> PyResult<T> {
    match watched(py, (progress, None), n_threads, long, f) {
        (_, Some(e)) => Err(e),
        (out, None) => Ok(out),
    }
}

/// As [`whole`], where `keep` is called with where the search stands.
///
/// # Errors
/// What `progress`, `keep` or a signal handler raised.
pub(crate) fn kept<T: Send>(
    py: Python<'_>,
    heard: (Option<Py<PyAny>>, Option<Py<PyAny>>),
    n_threads: usize,
    f: impl FnOnce(&dyn Watch) -> T + Send,
) -> PyResult<T> {
    match watched(py, heard, n_threads, false, f) {
        (_, Some(e)) => Err(e),
        (out, None) => Ok(out),
    }
}

/// Runs a computation that asks nobody; `long` as for [`whole_of`].
///
/// # Errors
/// What a signal handler raised.
pub(crate) fn asking_nobody<T: Send>(
    py: Python<'_>,
    n_threads: usize,
    long: bool,
    f: impl FnOnce() -> T + Send,
) -> PyResult<T> {
    whole_of(py, None, n_threads, long, |_| f())
}

/// Runs a computation whose finished parts are of use: an interrupt from the keyboard ends it
/// early, and the second value says that this happened.
///
/// # Errors
/// What else `progress` or a signal handler raised.
pub(crate) fn partial<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    n_threads: usize,
    f: impl FnOnce(&dyn Watch) -> T + Send,
) -> PyResult<(T, bool)> {
    // there are many of them: another thread is soon paid for
    match watched(py, (progress, None), n_threads, true, f) {
        (out, None) => Ok((out, false)),
        (out, Some(e)) if e.is_instance_of::<PyKeyboardInterrupt>(py) => Ok((out, true)),
        (_, Some(e)) => Err(e),
    }
}
