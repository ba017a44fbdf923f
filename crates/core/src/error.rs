//! What can go wrong in the core.

use std::fmt;

/// An error of the core; the bindings turn it into a Python exception.
#[derive(Debug, Clone, PartialEq)]
pub enum CoreError {
    /// Arrays whose sizes or codes do not fit together.
    Shape(String),
    /// The factor of the system would need more memory than the machine has.
    TooLarge {
        /// Bytes predicted.
        bytes: f64,
        /// Order of the dense part of the factor.
        dense: usize,
        /// Bytes that it may take.
        free: f64,
    },
    /// The factor of the system would take more time than is allowed.
    TooSlow {
        /// Seconds of one evaluation, predicted.
        seconds: f64,
        /// Order of the dense part of the factor.
        dense: usize,
    },
    /// Dense matrices would take more memory than is allowed.
    Refused {
        /// Their order.
        order: usize,
        /// Bytes they take.
        bytes: f64,
        /// Bytes allowed.
        memory: f64,
    },
    /// What is to be allocated does not fit into memory.
    NoRoom {
        /// What it is.
        what: String,
        /// Bytes it takes.
        bytes: f64,
        /// Bytes that are free, where these are fewer; none where the process may not take so many.
        free: Option<f64>,
    },
    /// No column of X is left, or a value is not finite.
    Degenerate(String),
    /// The caller asked to stop.
    Interrupted,
}

/// Bytes with a unit.
fn size(bytes: f64) -> String {
    if bytes >= 9.995e8 {
        format!("{:.1} GB", bytes / 1e9)
    } else {
        format!("{:.0} MB", bytes / 1e6)
    }
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CoreError::Shape(s) | CoreError::Degenerate(s) => f.write_str(s),
            CoreError::TooLarge { bytes, dense: 0, free } => write!(
                f,
                "the factor of the random effects would need {} of memory, of {} that are free",
                size(*bytes),
                size(*free)
            ),
            CoreError::TooLarge { bytes, dense, free } => write!(
                f,
                "the random effects are crossed so densely that their factor would need {} of memory (a dense \
                 part of order {dense}: {}), of {} that are free",
                size(*bytes),
                size(16.0 * (*dense as f64).powi(2)),
                size(*free)
            ),
            CoreError::TooSlow { seconds, dense } => write!(
                f,
                "the random effects are crossed so densely that one evaluation with their factor (a dense part of \
                 order {dense}) would take {seconds:.0} s",
            ),
            CoreError::Refused { order, bytes, memory } => write!(
                f,
                "dense matrices of order {order} are needed, which take {}; {} are allowed",
                size(*bytes),
                size(*memory)
            ),
            CoreError::NoRoom { what, bytes, free } => {
                write!(f, "{what} would take {}", size(*bytes))?;
                match free {
                    Some(free) => write!(f, ", of {} that are free", size(*free)),
                    None => f.write_str(", more than the process may take"),
                }
            }
            CoreError::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for CoreError {}
