//! Experiment files: YAML -> typed -> validated [`Experiment`].

pub mod schema;

pub use schema::Experiment;
