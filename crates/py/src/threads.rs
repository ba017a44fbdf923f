//! One pool of worker threads for each process and size. Workers do not survive a fork, so the pool
//! of a parent is never used.

use ranef_core::{memory, watch};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

type Pools = Mutex<HashMap<(u32, usize), Arc<ThreadPool>>>;

fn pools() -> &'static Pools {
    static POOLS: OnceLock<Pools> = OnceLock::new();
    POOLS.get_or_init(|| Mutex::new(HashMap::new()))
}

/// Runs `f` with `n` threads: in the calling thread for one, else inside this process's pool of
/// that size.
pub fn with_threads<T: Send>(n: usize, f: impl FnOnce() -> T + Send) -> T {
    if n <= 1 {
        return f();
    }
    let (mut f, mut out) = (Some(f), None);
    in_pool(n, &mut || out = f.take().map(|f| f()));
    out.expect("what is run is run once")
}

/// The same of a call that keeps its result itself: one code for all.
fn in_pool(n: usize, f: &mut (dyn FnMut() + Send)) {
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
        Some(p) => {
            let (allowed, flag) = (memory::allowance(), watch::stop_flag());
            p.install(|| {
                let before = (memory::allow(allowed), watch::set_stop_flag(flag));
                f();
                memory::allow(before.0);
                watch::set_stop_flag(before.1);
            });
        }
        None => f(),
    }
}
