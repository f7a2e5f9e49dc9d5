//! Fairways, greens and bunkers.

use crate::scenes::geometry::{Frame, Shape, disc, pt, spline};
use crate::scenes::nature::{Foliage, blob, grass, grove, lawn, path, pond, winding};
use crate::scenes::noise::{mix, scaled, value};
use crate::scenes::painter::Painter;
use crate::scenes::words::{a, and, is, number, plural, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let rough = grass(p);
    p.ground(&rough);
    let f = p.frame(8.0);
    let water = p.rng.chance(0.4);
    let trail = p.rng.chance(0.45);
    let wooded = p.choose(&[6usize, 18, 46]);
    let bunkers = p.choose(&[1usize, 2, 3, 4, 5, 6]);

    let bend = p.between(-34.0, 34.0);
    let fairway = spline(&[f.at(-150.0, bend), f.at(-60.0, -bend * 0.6), f.at(20.0, bend * 0.4), f.at(62.0, 0.0)], 8);
    let half = p.between(30.0, 40.0);
    let cut = lawn(p).striped(f, 13.0, 0.12);
    let label = p.canvas.object("fairway", None, None);
    p.canvas.paint_soft(label, &[Shape::Stroke(fairway.clone(), half)], 4.0, |q| scaled(cut.at(q), 1.12));
    let centre = f.at(66.0, 0.0);
    let fringe = [blob(p, centre, 35.0, 30.0, 0.12)];
    let label = p.canvas.object("green", None, None);
    p.canvas.paint_soft(0, &[disc(centre, 40.0)], 6.0, |q| scaled(cut.at(q), 1.02));
    let fine = p.texture([0.52, 0.68, 0.36], [0.58, 0.74, 0.42], 30.0, 0.06);
    p.canvas.paint_as(label, &fringe, |q| fine.at(q));
    let pole = [disc(centre + pt(p.between(-10.0, 10.0), p.between(-10.0, 10.0)), 0.9)];
    p.shadow(&pole, 14.0);
    p.canvas.paint(&pole, |_| [0.95, 0.92, 0.9]);

    if water {
        let side = p.choose(&[-1.0, 1.0]);
        let place = f.at(p.between(-30.0, 0.0), side * (half + 42.0));
        pond(p, place, 30.0, 19.0);
    }
    if trail {
        let side = p.choose(&[-1.0, 1.0]);
        let walk = winding(p, &f.child(0.0, side * (half + 14.0), 0.0), 9.0);
        path(p, walk, 4.6);
    }
    let places = p.scatter(bunkers, 27.0, 16.0, |p, q| {
        let near_green = (q - centre).length();
        let near_fairway = Shape::Stroke(fairway.clone(), half).distance(q);
        let here = p.canvas.category_at(q);
        ((46.0..74.0).contains(&near_green) || near_fairway.abs() < 10.0)
            && near_green > 46.0
            && (here.is_empty() || here == "fairway")
            && (0..8).all(|k| {
                !["path", "pond"].contains(&p.canvas.category_at(Frame::new(q, f64::from(k) / 8.0).at(16.0, 0.0)))
            })
    });
    for place in places {
        let (rx, ry) = (p.between(9.0, 14.0), p.between(6.5, 9.0));
        let shape = [blob(p, place, rx, ry, 0.22)];
        let lip = [blob(p, place, rx + 2.5, ry + 2.5, 0.12)];
        p.canvas.paint_soft(0, &lip, 3.0, |q| scaled(cut.at(q), 0.86));
        let label = p.canvas.object("bunker", Some("white"), None);
        let sun = p.sun.unit();
        p.canvas.paint_as(label, &shape, |q| {
            let depth = (q - place).dot(sun) / rx;
            mix(
                scaled([0.90, 0.85, 0.72], 0.95 + 0.08 * depth),
                [0.95, 0.92, 0.82],
                0.4 * value(9, q.x / 2.0, q.y / 2.0),
            )
        });
    }
    grove(p, wooded, (5.5, 10.0), Foliage::Dark, |_| true);
    word(p, water, trail)
}

fn word(p: &mut Painter, water: bool, trail: bool) -> Vec<String> {
    let (n, trees) = (p.canvas.count("bunker"), p.canvas.count("tree"));
    let bunker = p.say(&["bunker", "white bunker", "white sand bunker"]);
    let (one, b, c) = (p.counted(n, bunker), p.counted(n, "bunker"), p.counted(n, "white bunker"));
    let exact = if n == 1 { a(bunker) } else { format!("{} {}", number(n), plural(bunker)) };
    let mut things = Vec::new();
    if water {
        things.push(p.say(&["a pond", "a small pond"]).to_string());
    }
    if trail {
        things.push(p.say(&["a path", "a narrow path"]).to_string());
    }
    things.push(match trees {
        0..=9 => p.say(&["few trees", "a few trees"]).into(),
        10..=24 => p.say(&["some trees", "green trees"]).into(),
        _ => p.say(&["many trees", "lots of trees"]).into(),
    });
    let all = and(&things[things.len().saturating_sub(2)..]);
    let first = things.first().cloned().unwrap_or_default();
    vec![
        sentence(&["this is a part of a golf course with", &one, "and", &first]),
        sentence(&["there", is(n), &b, "beside the smooth green of the golf course"]),
        sentence(&["a golf course with", &exact, "beside", &all]),
        sentence(&["the green fairway of a golf course is near", &c]),
        sentence(&[&b, "and", &first, "can be seen in the golf course"]),
        sentence(&["it is a golf course with green turf and", &all]),
    ]
}
