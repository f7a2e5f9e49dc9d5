//! Open grass, at times with a few trees, a path or a pond.

use crate::scenes::nature::{Foliage, clutter, grass, patches, path, pond, tree, winding};
use crate::scenes::noise::scaled;
use crate::scenes::painter::Painter;
use crate::scenes::words::{a, is, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let colour = p.choose(&["green", "green", "yellow"]);
    let base = if colour == "green" { grass(p) } else { p.texture([0.56, 0.51, 0.30], [0.70, 0.64, 0.40], 46.0, 0.2) };
    p.ground(&base);
    let bare = p.rng.chance(0.35);
    if bare {
        patches(p, [0.62, 0.54, 0.42], 0.08);
    }
    let tint = scaled(base.dark, 0.85);
    clutter(p, 220, tint);
    let f = p.frame(20.0);
    let water = p.rng.chance(0.3);
    let trail = p.rng.chance(0.4);
    let trees = p.choose(&[0usize, 0, 1, 2, 3, 4, 5, 6, 14]);
    if water {
        let (rx, ry) = (p.between(28.0, 46.0), p.between(18.0, 28.0));
        pond(p, f.at(0.0, -20.0), rx, ry);
    }
    if trail {
        let walk = winding(p, &f.child(0.0, if water { 42.0 } else { 0.0 }, 0.0), 20.0);
        path(p, walk, 5.5);
    }
    let foliage = p.choose(&[Foliage::Dark, Foliage::Green]);
    for place in p.scatter(trees, 26.0, 14.0, |p, q| p.free(q, 13.0, false)) {
        let radius = p.between(7.0, 11.5);
        tree(p, place, radius, foliage);
    }
    word(p, colour, bare, water, trail)
}

fn word(p: &mut Painter, colour: &str, bare: bool, water: bool, trail: bool) -> Vec<String> {
    let n = p.canvas.count("tree");
    let meadow = format!("{colour} {}", p.say(&["meadow", "grassland"]));
    let trees = if n == 0 { "no trees".to_string() } else { p.counted(n, "tree") };
    let more = if n == 0 { "no trees".to_string() } else { p.counted(n, "dark tree") };
    let more = more.replace("dark ", p.say(&["", "green "]));
    let ground =
        if bare { p.say(&["some bare patches", "bare soil in it"]) } else { p.say(&["even grass", "thick grass"]) };
    let feature = match (water, trail) {
        (true, true) => "a pond and a curved path",
        (true, false) => p.say(&["a pond", "a small pond"]),
        (false, true) => p.say(&["a curved path", "a narrow path"]),
        _ => "",
    };
    let be = if n == 1 { is(1) } else { "are" };
    let last = if feature.is_empty() {
        sentence(&["the", &meadow, "is open and has", ground])
    } else {
        sentence(&["there is", feature, "in the", &meadow, "with", ground])
    };
    vec![
        sentence(&["this is", &a(&meadow), "with", &trees, if feature.is_empty() { "" } else { "and" }, feature]),
        sentence(&["there", be, &more, "on the", &meadow]),
        sentence(&["it is a piece of", &meadow, "with", ground]),
        sentence(&[&a(&meadow), "with", ground, "and", &trees]),
        last,
        sentence(&["we can see", &more, "and", ground, "in the", &meadow]),
    ]
}
