//! Small things that several modules share.

pub mod csv;
pub mod fs;
pub mod json;
pub mod logging;
pub mod rng;
pub mod shell;
pub mod stop;
pub mod suggest;
pub mod walk;
