//! Small dense matrices: kernels on blocks and panels, and the singular values of a block.

pub mod by_size;
pub mod jacobi_svd;
pub mod kernels;
pub mod large;
pub mod stoppable;
