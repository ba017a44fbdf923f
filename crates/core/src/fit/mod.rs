//! What the fits of all models share: the procedure at the boundary, where some direction has no
//! variance or a parameter is at a bound.

pub mod boundary;
