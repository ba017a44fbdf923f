//! One pool of worker threads for each process and size. Workers do not survive a fork, so the pool of a parent is never used.

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

type Pools = Mutex<HashMap<(u32, usize), Arc<ThreadPool>>>;

fn pools() -> &'static Pools {
    static POOLS: OnceLock<Pools> = OnceLock::new();
    POOLS.get_or_init(|| Mutex::new(HashMap::new()))
}

/// Runs `f` with `n` threads: in the calling thread for one, else inside this process's pool of that size.
pub fn with_threads<T: Send>(n: usize, f: impl FnOnce() -> T + Send) -> T {
    if n <= 1 {
        return f();
    }
    let key = (std::process::id(), n);
    let pool = {
        let mut all = pools().lock().unwrap_or_else(|e| e.into_inner());
        if let Some(p) = all.get(&key) {
            Some(p.clone())
        } else {
            let built = ThreadPoolBuilder::new().num_threads(n).build().ok().map(Arc::new);
            if let Some(p) = &built {
                // pools of a parent process are forgotten without joining their (absent) threads
                let stale: Vec<_> = all.keys().filter(|k| k.0 != key.0).copied().collect();
                for k in stale {
                    std::mem::forget(all.remove(&k));
                }
                all.insert(key, p.clone());
            }
            built
        }
    };
    match pool {
        Some(p) => p.install(f),
        None => f(),
    }
}

/// The same, stopped by signals: Python answers them in its main thread only, so that thread waits and asks while others work.
///
/// `f` is given a flag that is set when a signal has come; what it raised is returned beside the result.
pub fn with_watched_threads<T: Send>(n: usize, f: impl FnOnce(&AtomicBool) -> T + Send) -> (T, Option<PyErr>) {
    let stop = AtomicBool::new(false);
    if n <= 1 {
        return (f(&stop), None);
    }
    let mut error = None;
    let (done, waiting) = mpsc::channel::<()>();
    let out = std::thread::scope(|scope| {
        let stop = &stop;
        let work = scope.spawn(move || {
            // dropped at the end, which wakes the waiting thread
            let _done = done;
            with_threads(n, || f(stop))
        });
        while let Err(mpsc::RecvTimeoutError::Timeout) = waiting.recv_timeout(Duration::from_millis(50)) {
            if error.is_none() {
                if let Err(e) = Python::attach(|py| py.check_signals()) {
                    error = Some(e);
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    (out, error)
}
