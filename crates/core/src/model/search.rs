//! What a search for the lowest valley found.

/// The lowest optimum, and what else was seen.
pub struct Search<Fit, Valley> {
    /// The local fit that ended lowest; the work space is left at its estimates.
    pub fit: Fit,
    /// All distinct optima, the lowest first.
    pub valleys: Vec<Valley>,
    /// Local fits made.
    pub runs: usize,
    /// Evaluations of the objective alone, along rays and for the choice of starts.
    pub looks: usize,
    /// Whether every ray was looked along to its end.
    pub complete: bool,
    /// Whether the first local fit ended in a higher valley.
    pub moved_on: bool,
    /// How much lower the objective was where a fit from another start ended without an optimum; 0
    /// where none did.
    pub beyond: f64,
}
