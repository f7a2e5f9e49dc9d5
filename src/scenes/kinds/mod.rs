//! The kinds of scene. Each draws a picture and words it: at least as many different sentences as an image takes.

use super::painter::Painter;

mod airport;
mod baseball_field;
mod beach;
mod bridge;
mod dense_residential;
mod desert;
mod farmland;
mod forest;
mod golf_course;
mod harbor;
mod intersection;
mod meadow;
mod parking_lot;
mod railway;
mod sparse_residential;
mod storage_tanks;
mod tennis_courts;

/// A kind of scene.
pub struct Kind {
    /// Class label.
    pub class: &'static str,
    /// Draws it and gives the sentences to choose from.
    pub(super) draw: fn(&mut Painter) -> Vec<String>,
}

/// All kinds, in the order of the class blocks.
pub const KINDS: &[Kind] = &[
    Kind { class: "airport", draw: airport::draw },
    Kind { class: "baseball field", draw: baseball_field::draw },
    Kind { class: "beach", draw: beach::draw },
    Kind { class: "bridge", draw: bridge::draw },
    Kind { class: "dense residential", draw: dense_residential::draw },
    Kind { class: "desert", draw: desert::draw },
    Kind { class: "farmland", draw: farmland::draw },
    Kind { class: "forest", draw: forest::draw },
    Kind { class: "golf course", draw: golf_course::draw },
    Kind { class: "harbor", draw: harbor::draw },
    Kind { class: "intersection", draw: intersection::draw },
    Kind { class: "meadow", draw: meadow::draw },
    Kind { class: "parking lot", draw: parking_lot::draw },
    Kind { class: "railway", draw: railway::draw },
    Kind { class: "sparse residential", draw: sparse_residential::draw },
    Kind { class: "storage tanks", draw: storage_tanks::draw },
    Kind { class: "tennis courts", draw: tennis_courts::draw },
];
