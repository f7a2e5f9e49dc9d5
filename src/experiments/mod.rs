//! Published tables and the runs that regenerate them: table files, planning, running, comparison.
//!
//! A [`table::Table`] holds published numbers beside the settings of each row; [`plan::Plan`] resolves rows to distinct
//! runs; [`runner::execute`] runs those that are not finished; [`compare::Comparison`] sets measured beside published.
//! A [`sweep::Sweep`] becomes runs the same way.

mod baselines;
pub mod catalog;
pub mod compare;
pub mod encoders;
pub mod memory;
pub mod plan;
pub mod published;
pub mod reported;
pub mod runner;
pub mod sweep;
pub mod table;
mod worth;

pub use compare::Comparison;
pub use plan::Plan;
pub use runner::{RunOutcome, Runner};
pub use table::Table;
