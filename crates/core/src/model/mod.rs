//! What the parts of the core that serve every kind of model need of one.

mod replicable;

pub use replicable::{Estimates, Outcome, Replicable};
