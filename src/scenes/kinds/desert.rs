//! Dunes or stony ground, at times crossed by a road.

use crate::scenes::geometry::Shape;
use crate::scenes::nature::{blob, bush, winding};
use crate::scenes::noise::{fractal, scaled, value};
use crate::scenes::painter::Painter;
use crate::scenes::structures::{Marking, road, straight};
use crate::scenes::surroundings::traffic;
use crate::scenes::words::{a, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let colour = p.choose(&["yellow", "brown", "red", "white"]);
    let base = match colour {
        "yellow" => [0.80, 0.68, 0.44],
        "brown" => [0.58, 0.46, 0.33],
        "red" => [0.72, 0.44, 0.29],
        _ => [0.84, 0.80, 0.71],
    };
    let dunes = p.rng.chance(0.5);
    let f = p.frame(10.0);
    let seed = p.rng.next_u64() as u32;
    let texture = p.texture(scaled(base, 0.93), scaled(base, 1.08), 60.0, 0.10);
    // Height of the sand; its slope along the frame, against the sun, gives the light.
    let spacing = p.between(44.0, 70.0);
    let height = move |q| {
        let local = f.local(q);
        let bent = local.y + (fractal(seed, local.x / 90.0, local.y / 120.0, 3) - 0.5) * 120.0;
        let t = bent / spacing - (bent / spacing).floor();
        let crest = if t < 0.78 { t / 0.78 } else { (1.0 - t) / 0.22 };
        crest + 0.05 * fractal(seed ^ 5, local.x / 16.0, bent / 3.6, 2)
    };
    let step = f.axis.normal();
    p.canvas.wash(0, |q| {
        let lit = if dunes {
            let slope = height(q + step * 0.7) - height(q - step * 0.7);
            (1.02 + slope * 2.6).clamp(0.60, 1.14)
        } else {
            0.86 + 0.28 * fractal(seed, q.x / 50.0, q.y / 50.0, 6)
        };
        (1.0, scaled(texture.at(q), lit))
    });
    if !dunes {
        // A dry stream bed branches over flat ground.
        let bed = winding(p, &f, 40.0);
        let stroke = [Shape::Stroke(bed, 3.5)];
        p.canvas.paint_soft(0, &stroke, 9.0, |q| scaled(base, 1.14 + 0.1 * value(seed, q.x, q.y)));
    }
    let way = p.rng.chance(0.4);
    let mut cars = 0;
    if way {
        let y = p.between(-40.0, 40.0);
        let across = f.child(0.0, 0.0, 0.25);
        road(p, &straight(&across, y), 13.0, Marking::Dashed);
        cars = traffic(p, &across, y, 13.0, 120.0, 2);
    }
    let plants = p.choose(&[0usize, 0, 14, 40]);
    for place in p.scatter(plants, 9.0, 4.0, |p, q| p.free(q, 5.0, false)) {
        let radius = p.between(2.0, 4.0);
        bush(p, place, radius, [0.33, 0.35, 0.20]);
    }
    let rocks = if dunes || p.rng.chance(0.4) { 0 } else { p.rng.range(12, 30) as usize };
    for place in p.scatter(rocks, 8.0, 5.0, |p, q| p.free(q, 5.0, false)) {
        let radius = p.between(2.0, 5.5);
        let stone = [blob(p, place, radius, radius * 0.8, 0.3)];
        p.shadow(&stone, radius * 1.2);
        let label = p.canvas.object("rock", None, None);
        p.canvas.paint_as(label, &stone, |q| {
            scaled(base, 0.72 + 0.4 * value(seed, q.x / 1.5, q.y / 1.5) - 0.05 * (q - place).dot(f.axis) / radius)
        });
    }
    word(p, colour, dunes, way, cars)
}

fn word(p: &mut Painter, colour: &str, dunes: bool, way: bool, cars: usize) -> Vec<String> {
    let (bushes, rocks) = (p.canvas.count("bush"), p.canvas.count("rock"));
    let desert = format!("{colour} desert");
    let ground = if dunes { p.say(&["sand dunes", "long dunes"]) } else { p.say(&["flat ground", "flat dry ground"]) };
    let cover = match (bushes, rocks) {
        (30.., _) => "lots of bushes",
        (5.., _) => p.say(&["some bushes", "some small bushes"]),
        (_, 5..) => p.say(&["some rocks", "many rocks"]),
        _ => p.say(&["no plants", "no green plants"]),
    };
    let cover = if cover == "many rocks" && rocks < 10 { "some rocks" } else { cover };
    let ride = match cars {
        0 => "an empty road".to_string(),
        1 => "a road and a car".to_string(),
        _ => "a road and two cars".to_string(),
    };
    let road = if way { format!("and {ride}") } else { String::new() };
    vec![
        sentence(&["this is", &a(&desert), "with", ground, if way { "and a road" } else { "" }]),
        sentence(&["there are", cover, "in the", &desert, if dunes { "with dunes" } else { "" }]),
        sentence(&["it is a piece of", &desert, "with", cover, &road]),
        if way {
            sentence(&["a straight road goes through the", &desert, "with", ground])
        } else {
            sentence(&["the", &desert, "is covered by", if dunes { "dunes" } else { "dry soil" }, "with", cover])
        },
        sentence(&[&a(&desert), "with", ground, "and", cover]),
        sentence(&["we can see", ground, "and", cover, "in", &a(&desert)]),
    ]
}
