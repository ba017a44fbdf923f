//! The targets of cargo-fuzz (`crates/fuzz`), with bytes of a generator.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use ranef_core::rng::Rng;

/// Inputs of a target, and their longest.
const INPUTS: u64 = 80;
const LONGEST: usize = 4000;

fn each(of: u64, target: fn(&[u8]) -> arbitrary::Result<()>) {
    for i in 0..INPUTS {
        let mut stream = Rng::of(of, i);
        let n = stream.below(LONGEST);
        let bytes: Vec<u8> = (0..n).map(|_| stream.bits() as u8).collect();
        target(&bytes).unwrap_or_default();
    }
}

#[test]
fn rows_are_refused_or_fitted() {
    each(1, fuzz::rows);
}

#[test]
fn sums_of_parts_are_those_of_all_rows() {
    each(2, fuzz::merge);
}

#[test]
fn bytes_are_refused_as_sums_or_taken() {
    each(3, fuzz::sums);
}
