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
pub struct SceneKind {
    /// Class label.
    pub class: &'static str,
    /// Draws it and gives the sentences to choose from.
    pub(super) draw: fn(&mut Painter) -> Vec<String>,
}

/// All kinds, in the order of the class blocks.
pub const KINDS: &[SceneKind] = &[
    SceneKind { class: "airport", draw: airport::draw },
    SceneKind { class: "baseball field", draw: baseball_field::draw },
    SceneKind { class: "beach", draw: beach::draw },
    SceneKind { class: "bridge", draw: bridge::draw },
    SceneKind { class: "dense residential", draw: dense_residential::draw },
    SceneKind { class: "desert", draw: desert::draw },
    SceneKind { class: "farmland", draw: farmland::draw },
    SceneKind { class: "forest", draw: forest::draw },
    SceneKind { class: "golf course", draw: golf_course::draw },
    SceneKind { class: "harbor", draw: harbor::draw },
    SceneKind { class: "intersection", draw: intersection::draw },
    SceneKind { class: "meadow", draw: meadow::draw },
    SceneKind { class: "parking lot", draw: parking_lot::draw },
    SceneKind { class: "railway", draw: railway::draw },
    SceneKind { class: "sparse residential", draw: sparse_residential::draw },
    SceneKind { class: "storage tanks", draw: storage_tanks::draw },
    SceneKind { class: "tennis courts", draw: tennis_courts::draw },
];
