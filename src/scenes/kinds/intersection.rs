//! Two roads that meet: a crossroads, a T-junction or a roundabout.

use crate::scenes::geometry::{Frame, Shape, disc};
use crate::scenes::nature::{Foliage, grove, lawn, open_grass, tree};
use crate::scenes::painter::Painter;
use crate::scenes::structures::{Marking, WHITE, asphalt, building, fits_inside, road, straight, zebra};
use crate::scenes::vehicles::car;
use crate::scenes::words::{a, is, sentence};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Cross,
    Tee,
    Round,
}

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    open_grass(p);
    let f = p.frame(10.0);
    let form = p.choose(&[Form::Cross, Form::Cross, Form::Tee, Form::Round]);
    let corners = p.choose(&["buildings", "trees", "grass"]);
    let zebras = form != Form::Round && p.rng.chance(0.55);
    let width = p.choose(&[26.0, 34.0]);
    let cars = p.choose(&[0usize, 1, 2, 3, 4, 5, 6, 8, 12]);

    let arms: &[usize] = if form == Form::Tee { &[0, 1, 2] } else { &[0, 1, 2, 3] };
    let marking = if width > 30.0 { Marking::Lanes } else { Marking::Dashed };
    let label = road(p, &straight(&f, 0.0), width, marking);
    let arm = |turn: usize| f.child(0.0, 0.0, turn as f64 / 4.0);
    for &turn in arms.iter().filter(|&&turn| turn % 2 == 1) {
        let way = arm(turn);
        road(p, &[way.at(0.0, 0.0), way.at(210.0, 0.0)], width, marking);
    }
    let tar = asphalt(p);
    let core =
        if form == Form::Round { disc(f.origin, width * 1.55) } else { f.rect(0.0, 0.0, width + 5.0, width + 2.0) };
    p.canvas.paint_as(label, &[core], |q| tar.at(q));
    if form == Form::Tee {
        p.canvas.paint_as(label, &[f.rect(0.0, 0.0, width * 3.0, width - 1.0)], |q| tar.at(q));
    }
    let inner = width * 0.72;
    if form == Form::Round {
        let turf = lawn(p);
        p.canvas.paint_as(0, &[disc(f.origin, inner + 1.8)], |_| [0.78, 0.77, 0.74]);
        p.region("island", None, &[disc(f.origin, inner)], &turf);
        if p.rng.chance(0.6) {
            tree(p, f.origin, inner * 0.42, Foliage::Green);
        }
    }
    for &turn in arms {
        let way = arm(turn);
        let start = if form == Form::Round { width * 1.6 } else { width / 2.0 + 3.0 };
        if zebras {
            p.canvas.paint_as(label, &[way.rect(start + 8.0, 0.0, 11.0, width - 0.5)], |q| tar.at(q));
            zebra(p, &way, start + 8.0, width - 2.0);
        }
        let stop = start + if zebras { 16.0 } else { 3.0 };
        p.canvas.paint(&[way.rect(stop, -width / 4.0, 1.6, width / 2.0 - 1.5)], |_| WHITE);
    }
    place_cars(p, &f, arms, width, cars, form);

    match corners {
        "buildings" => {
            for corner in 0..4 {
                let block = arm(corner);
                let (w, d) = (p.between(48.0, 64.0), p.between(38.0, 56.0));
                let out = width / 2.0 + 11.0 + if form == Form::Round { 24.0 } else { 0.0 };
                let place = block.child(out + w / 2.0, out + d / 2.0, 0.0);
                if fits_inside(p, &place, w * 0.3, d * 0.3, 0.0) {
                    let name = p.choose(&["white", "gray", "brown", "red"]);
                    let height = p.between(9.0, 18.0);
                    building(p, &place, w, d, height, name);
                }
            }
            if form == Form::Tee {
                for x in [-60.0, 10.0] {
                    let place = f.child(x, -width / 2.0 - 34.0, 0.0);
                    if p.free(place.origin, 26.0, false) && fits_inside(p, &place, 30.0, 20.0, 0.0) {
                        building(p, &place, 50.0, 34.0, 11.0, "gray");
                    }
                }
            }
        }
        "trees" => {
            grove(p, 44, (5.0, 9.0), Foliage::Green, |_| true);
        }
        _ => {
            grove(p, 2, (4.0, 6.0), Foliage::Green, |_| true);
        }
    }
    let corners = if corners == "buildings" && p.canvas.count("building") < 2 { "grass" } else { corners };
    word(p, form, corners, zebras, width > 30.0)
}

/// Cars on the right-hand lanes of the arms, outside the middle.
fn place_cars(p: &mut Painter, f: &Frame, arms: &[usize], width: f64, wanted: usize, form: Form) {
    let mut taken: Vec<Shape> = Vec::new();
    for _ in 0..wanted * 30 {
        if taken.len() == wanted {
            break;
        }
        let way = f.child(0.0, 0.0, p.choose(arms) as f64 / 4.0);
        let lanes: &[f64] = if width > 30.0 { &[0.125, 0.375] } else { &[0.25] };
        let inward = p.rng.chance(0.5);
        let y = p.choose(lanes) * width * if inward { -1.0 } else { 1.0 };
        let first = if form == Form::Round { width * 1.6 + 10.0 } else { width / 2.0 + 26.0 };
        let place = way.child(p.between(first, 120.0), y, if inward { 0.5 } else { 0.0 });
        if p.inside(place.origin, 6.0) && taken.iter().all(|other| other.distance(place.origin) > 9.0) {
            car(p, &place);
            taken.push(disc(place.origin, 8.0));
        }
    }
}

fn word(p: &mut Painter, form: Form, corners: &str, zebras: bool, wide: bool) -> Vec<String> {
    let n = p.canvas.count("car");
    let cars = if n == 0 { "no cars".to_string() } else { p.counted(n, "car") };
    let again = if n == 0 { "no car".to_string() } else { p.counted(n, "car") };
    let be = if n == 0 { "are" } else { is(n) };
    let place = match form {
        Form::Cross => p.say(&["crossroads", "road crossing"]),
        Form::Tee => p.say(&["t-junction", "road junction"]),
        Form::Round => "roundabout",
    };
    let noun = match form {
        Form::Cross => "intersection",
        Form::Tee => "t-junction",
        Form::Round => "roundabout",
    };
    let sides = match corners {
        "buildings" => p.say(&["with some buildings at the corners", "with buildings beside"]),
        "trees" => p.say(&["with many trees beside", "surrounded by trees"]),
        _ => p.say(&["with grass beside", "surrounded by grass"]),
    };
    let lines = if zebras {
        p.say(&["zebra crossings", "white zebra crossings"])
    } else {
        p.say(&["white lines", "white mark lines"])
    };
    let roads = match form {
        Form::Cross => "two roads cross each other",
        Form::Tee => "a road ends at another road",
        Form::Round => "some roads meet at a round island",
    };
    let broad = if wide { "wide" } else { "narrow" };
    vec![
        sentence(&["this is", &a(noun), sides]),
        sentence(&["there", be, &cars, "at the", place, "with", lines]),
        sentence(&[roads, "and there", if n == 0 { "is" } else { is(n) }, &again, "on the road"]),
        sentence(&[&a(noun), "of", broad, "roads with", lines]),
        sentence(&[&a(noun), "of", broad, "roads", sides]),
        sentence(&["it is", &a(noun), "with", &cars, "and", lines]),
    ]
}
