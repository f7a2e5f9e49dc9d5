//! A shore between sea and land.

use crate::scenes::geometry::disc;
use crate::scenes::nature::{Foliage, clutter, grass, grove, sand, water};
use crate::scenes::noise::{fractal, mix, scaled, smoothstep};
use crate::scenes::painter::Painter;
use crate::scenes::structures::{Marking, road, straight};
use crate::scenes::surroundings::traffic;
use crate::scenes::words::{number, plural, sentence};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Land {
    Bare,
    Trees,
    Road,
}

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let shore = sand(p);
    p.ground(&shore);
    let f = p.frame(14.0);
    let colour = p.choose(&["blue", "green", "blue", "dark"]);
    let land = p.choose(&[Land::Bare, Land::Trees, Land::Trees, Land::Road]);
    let waves = p.choose(&[0usize, 1, 2, 3]);
    let people = p.choose(&[0usize, 0, 1]);

    let seed = p.rng.next_u64() as u32;
    let bend = p.between(10.0, 34.0);
    // Distance from the water's edge, positive on land.
    let inland = move |q| {
        let local = f.local(q);
        local.y
            + (fractal(seed, local.x / 90.0, 0.3, 3) - 0.5) * bend * 2.0
            + (fractal(seed ^ 9, q.x / 14.0, q.y / 14.0, 2) - 0.5) * 4.0
    };
    let whole = p.canvas.object("beach", None, None);
    let sandy = move |q| land == Land::Bare || inland(q) < 57.0;
    p.canvas.wash(whole, |q| {
        let wet = mix(scaled(shore.at(q), 0.72), shore.at(q), smoothstep(0.0, 16.0, inland(q)));
        (f64::from(u8::from(sandy(q))), wet)
    });
    if land == Land::Bare && p.rng.chance(0.5) {
        clutter(p, 60, [0.45, 0.45, 0.28]);
    }
    if land != Land::Bare {
        let green = grass(p);
        p.canvas.wash(0, |q| (smoothstep(54.0, 60.0, inland(q)) * 0.9, green.at(q)));
    }
    let sea = water(p, colour);
    let label = p.canvas.object("sea", Some(colour), None);
    let shallow = [0.45, 0.66, 0.64];
    p.canvas.wash(label, |q| {
        let depth = -inland(q);
        (smoothstep(-0.8, 0.8, depth), mix(mix(sea.at(q), shallow, 0.75), sea.at(q), smoothstep(0.0, 60.0, depth)))
    });
    for wave in 0..=waves {
        let at = wave as f64 * 19.0 + 2.0;
        let width = if wave == 0 { 2.6 } else { 4.2 };
        let strength = if waves == 0 { 0.45 } else { 0.9 };
        p.canvas.wash(0, |q| {
            let away =
                -inland(q) - at - (fractal(seed ^ 31, q.x / 30.0, q.y / 30.0, 2) - 0.5) * 12.0 * (wave.min(1) as f64);
            let foam = fractal(seed ^ (77 + wave as u32), q.x / 9.0, q.y / 9.0, 3);
            let body = smoothstep(-width, 0.0, away) * (1.0 - smoothstep(0.0, width * 1.8, away));
            (strength * body * smoothstep(0.30, 0.58, foam), [0.94, 0.96, 0.96])
        });
    }
    match land {
        Land::Bare => {}
        Land::Trees => {
            grove(p, 34, (6.0, 11.0), Foliage::Dark, |q| inland(q) > 70.0);
        }
        Land::Road => {
            road(p, &straight(&f, 84.0), 16.0, Marking::Dashed);
            traffic(p, &f, 84.0, 16.0, 150.0, 4);
        }
    }
    if people == 1 {
        let wanted = p.rng.range(2, 12) as usize;
        let places = p
            .scatter(wanted, 13.0, 6.0, |p, q| (17.0..46.0).contains(&inland(q)) && p.canvas.category_at(q) == "beach");
        for place in places {
            let tint = p.choose(&[[0.80, 0.22, 0.20], [0.92, 0.90, 0.88], [0.20, 0.40, 0.70], [0.92, 0.75, 0.25]]);
            let cloth = [disc(place, 3.4)];
            p.shadow(&cloth, 3.5);
            let label = p.canvas.object("umbrella", None, None);
            p.canvas.paint_as(label, &cloth, |q| {
                let away = q - place;
                scaled(tint, if (away.x > 0.0) ^ (away.y > 0.0) { 1.0 } else { 0.82 })
            });
        }
    }
    word(p, colour, waves, land)
}

fn word(p: &mut Painter, colour: &str, waves: usize, land: Land) -> Vec<String> {
    let sea = sentence(&[colour, p.say(&["sea", "ocean"])]);
    let umbrellas = p.canvas.count("umbrella");
    let shade = match umbrellas {
        0 | 1 => String::new(),
        n => format!("{} {}", number(n), plural("umbrella")),
    };
    let surf = match waves {
        0 => p.say(&["calm water", "quiet water"]).to_string(),
        1 => "a white wave".to_string(),
        _ => p.say(&["white waves", "some white waves"]).to_string(),
    };
    let trees = p.canvas.count("tree") >= 3 && land == Land::Trees;
    let side = match land {
        Land::Trees if trees => p.say(&["green trees", "some trees"]),
        Land::Road => p.say(&["a road", "a straight road"]),
        _ => p.say(&["bare sand", "wide sand"]),
    };
    let with_shade = if shade.is_empty() { String::new() } else { format!("with {shade}") };
    vec![
        sentence(&["this is a beach beside the", &sea, "with", &surf]),
        sentence(&["the", &sea, "with", &surf, "is next to a beach", &with_shade]),
        sentence(&["there is a sand beach between the", &sea, "and", side]),
        sentence(&[&surf, "of the", &sea, if waves > 1 { "reach" } else { "reaches" }, "the beach", &with_shade]),
        sentence(&["a beach with", if shade.is_empty() { side } else { &shade }, "is near the", &sea]),
        sentence(&["we can see", &surf, "near the beach and", side, "behind it"]),
    ]
}
