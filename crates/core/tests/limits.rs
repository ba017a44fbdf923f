//! The pattern of a factor is found within limits of memory and time, and its prediction is that of
//! the factor that is formed.

use ranef_core::blocks::{predicted, Limits, Symbolic};
use ranef_core::crossprod::Cells;
use ranef_core::error::CoreError;
use ranef_core::memory::{allow, room_for, Allowance};

/// Seconds of the processor that this thread has had, where the system counts them: by the clock of
/// a machine with other work a test takes ten times as long.
fn processor() -> Option<f64> {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    counted.split_whitespace().next()?.parse::<f64>().ok().map(|nanoseconds| 1e-9 * nanoseconds)
}

/// Two crossed factors of so many levels; every level of the first meets `each` of the second.
fn crossed(first: usize, second: usize, each: usize) -> Vec<Cells> {
    let mut start = vec![0];
    let mut level: Vec<u32> = Vec::new();
    for l in 0..first {
        let mut here: Vec<u32> = (0..each).map(|i| ((l * 7919 + i * i * 104_729 + i * 13) % second) as u32).collect();
        here.sort_unstable();
        here.dedup();
        level.extend(here);
        start.push(level.len());
    }
    let value = vec![1.0; level.len()];
    vec![Cells { f: 0, g: 1, kf: 1, kg: 1, start, level, value }]
}

#[test]
fn prediction_is_that_of_the_pattern_that_is_formed() {
    let sizes = [2_000, 500];
    let cells = crossed(sizes[0], sizes[1], 12);
    let found = predicted(&sizes, &[1, 1], &cells, &Limits::none()).unwrap();
    let sym = Symbolic::new(&sizes, &[1, 1], &cells, None).unwrap();
    assert_eq!(found.dense, sym.dense);
    let numbers = 2 * (sym.diag_len + sym.panel_len + sym.dense * sym.dense);
    let places = 2 * sym.below.len() + sym.update_row.len();
    assert!((found.bytes - (8 * numbers + 4 * places) as f64).abs() < 1.0);
    assert_eq!(found.seconds, sym.seconds);
}

#[test]
fn memory_is_refused_before_the_pattern_grows() {
    let sizes = [12_000, 10_000];
    let cells = crossed(sizes[0], sizes[1], 40);
    let limits = Limits { bytes: 3e7, ..Limits::none() };
    let began = processor();
    let refused = Symbolic::within(&sizes, &[1, 1], &cells, None, &limits);
    let Err(CoreError::TooLarge { bytes, dense, free }) = refused else { panic!("it was not refused") };
    assert!(bytes > 1e8 && dense > 3_000 && free == 3e7);
    assert!(began.zip(processor()).is_none_or(|(from, to)| to - from < 5.0));
}

#[test]
fn time_is_refused_too() {
    let sizes = [12_000, 10_000];
    let cells = crossed(sizes[0], sizes[1], 40);
    let limits = Limits { seconds: 0.2, ..Limits::none() };
    let refused = Symbolic::within(&sizes, &[1, 1], &cells, None, &limits);
    assert!(matches!(refused, Err(CoreError::TooSlow { seconds, .. }) if seconds > 0.2));
}

#[test]
fn an_allowance_is_what_is_left() {
    // more than other tests take meanwhile
    let before = allow(Some(Allowance::of(1e8)));
    let refused = room_for(1e8, || "a matrix".into());
    assert!(room_for(1e4, || "a matrix".into()).is_ok());
    allow(before);
    let Err(CoreError::NoRoom { bytes, free: Some(free), .. }) = refused else { panic!("it was not refused") };
    assert!(bytes == 8e8 && free <= 1e8);
    assert!(room_for(1e6, || "a matrix".into()).is_ok());
}
