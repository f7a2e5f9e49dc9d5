//! Points, frames and shapes of the plane, with arithmetic that is the same on every machine: only `+ - * /` and
//! square roots, which IEEE 754 fixes to the bit.

use std::ops::{Add, Mul, Sub};

/// A place or a vector, in units of 1/256 of the picture's side; x to the right, y down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

pub(super) const fn pt(x: f64, y: f64) -> Point {
    Point { x, y }
}

impl Add for Point {
    type Output = Point;
    fn add(self, other: Point) -> Point {
        pt(self.x + other.x, self.y + other.y)
    }
}

impl Sub for Point {
    type Output = Point;
    fn sub(self, other: Point) -> Point {
        pt(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f64> for Point {
    type Output = Point;
    fn mul(self, factor: f64) -> Point {
        pt(self.x * factor, self.y * factor)
    }
}

impl Point {
    pub(super) fn dot(self, other: Point) -> f64 {
        self.x * other.x + self.y * other.y
    }

    pub(super) fn cross(self, other: Point) -> f64 {
        self.x * other.y - self.y * other.x
    }

    pub(super) fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// The vector of length 1 in the same direction; (1, 0) for the zero vector.
    pub(super) fn unit(self) -> Point {
        let length = self.length();
        if length > 0.0 { self * (1.0 / length) } else { pt(1.0, 0.0) }
    }

    /// A quarter turn clockwise on the screen.
    pub(super) fn normal(self) -> Point {
        pt(-self.y, self.x)
    }
}

/// Unit vector at an angle given in whole turns; Taylor series on an eighth of a turn, error below 1e-15.
pub(super) fn direction(turns: f64) -> Point {
    let turns = turns - turns.floor();
    let quarter = (turns * 4.0 + 0.5).floor();
    let angle = (turns - quarter / 4.0) * std::f64::consts::TAU; // within an eighth of a turn
    let square = angle * angle;
    let (mut sin, mut cos) = (0.0, 0.0);
    for k in (0..9).rev() {
        let k = f64::from(k);
        cos = 1.0 - cos * square / ((2.0 * k + 1.0) * (2.0 * k + 2.0));
        sin = 1.0 - sin * square / ((2.0 * k + 2.0) * (2.0 * k + 3.0));
    }
    let (c, s) = (cos, sin * angle);
    match quarter as i64 % 4 {
        0 => pt(c, s),
        1 => pt(-s, c),
        2 => pt(-c, -s),
        _ => pt(s, -c),
    }
}

/// A turned and moved coordinate system, in which things are laid out straight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub origin: Point,
    pub axis: Point,
}

impl Frame {
    pub(super) fn new(origin: Point, turns: f64) -> Self {
        Self { origin, axis: direction(turns) }
    }

    /// From this frame to the picture.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        self.origin + self.axis * x + self.axis.normal() * y
    }

    /// From the picture to this frame.
    pub(super) fn local(&self, point: Point) -> Point {
        let offset = point - self.origin;
        pt(offset.dot(self.axis), offset.dot(self.axis.normal()))
    }

    /// The frame at `(x, y)` of this one, turned by `turns` against it.
    pub(super) fn child(&self, x: f64, y: f64, turns: f64) -> Self {
        let by = direction(turns);
        Self { origin: self.at(x, y), axis: self.axis * by.x + self.axis.normal() * by.y }
    }

    /// Rectangle of `width` (along x) by `height` with its centre at `(x, y)`.
    pub(super) fn rect(&self, x: f64, y: f64, width: f64, height: f64) -> Shape {
        let (w, h) = (width / 2.0, height / 2.0);
        self.polygon(&[(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)])
    }

    pub(super) fn polygon(&self, corners: &[(f64, f64)]) -> Shape {
        Shape::Polygon(corners.iter().map(|&(x, y)| self.at(x, y)).collect())
    }

    /// Straight stroke of the given width with round ends.
    pub(super) fn line(&self, from: (f64, f64), to: (f64, f64), width: f64) -> Shape {
        Shape::Stroke(vec![self.at(from.0, from.1), self.at(to.0, to.1)], width / 2.0)
    }

    pub(super) fn disc(&self, x: f64, y: f64, radius: f64) -> Shape {
        disc(self.at(x, y), radius)
    }

    /// Points of an arc around `(x, y)`, angles in turns.
    pub(super) fn arc(&self, x: f64, y: f64, radius: f64, from: f64, to: f64) -> Vec<Point> {
        let steps = 24;
        (0..=steps)
            .map(|step| {
                let d = direction(from + (to - from) * f64::from(step) / f64::from(steps)) * radius;
                self.at(x + d.x, y + d.y)
            })
            .collect()
    }
}

/// What can be filled: a simple polygon, or everything within a distance of a chain of points (one point: a disc).
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Polygon(Vec<Point>),
    Stroke(Vec<Point>, f64),
}

pub(super) fn disc(centre: Point, radius: f64) -> Shape {
    Shape::Stroke(vec![centre], radius)
}

impl Shape {
    /// Signed distance from the edge, negative inside.
    pub(super) fn distance(&self, p: Point) -> f64 {
        match self {
            Shape::Stroke(points, half) => chain_distance(points, p) - half,
            Shape::Polygon(corners) => {
                let mut nearest = f64::INFINITY;
                let mut inside = false;
                let mut previous = corners.last().copied().unwrap_or(pt(0.0, 0.0));
                for &corner in corners {
                    nearest = nearest.min(segment_distance_squared(previous, corner, p));
                    if (corner.y > p.y) != (previous.y > p.y) {
                        let crossing = corner.x + (p.y - corner.y) * (previous.x - corner.x) / (previous.y - corner.y);
                        inside ^= p.x < crossing;
                    }
                    previous = corner;
                }
                if inside { -nearest.sqrt() } else { nearest.sqrt() }
            }
        }
    }

    /// Smallest upright rectangle around the shape: its low and its high corner.
    pub(super) fn bounds(&self) -> (Point, Point) {
        let (points, margin) = match self {
            Shape::Polygon(points) => (points, 0.0),
            Shape::Stroke(points, half) => (points, *half),
        };
        let mut low = pt(f64::INFINITY, f64::INFINITY);
        let mut high = pt(f64::NEG_INFINITY, f64::NEG_INFINITY);
        for p in points {
            low = pt(low.x.min(p.x), low.y.min(p.y));
            high = pt(high.x.max(p.x), high.y.max(p.y));
        }
        (low - pt(margin, margin), high + pt(margin, margin))
    }

    /// What the shape covers when it is pushed along `by`: exact for convex polygons and discs, close copies else.
    pub(super) fn swept(&self, by: Point) -> Vec<Shape> {
        match self {
            Shape::Polygon(corners) => {
                let mut both = corners.clone();
                both.extend(corners.iter().map(|&corner| corner + by));
                vec![Shape::Polygon(hull(both))]
            }
            Shape::Stroke(points, half) if points.len() == 1 => {
                vec![Shape::Stroke(points.iter().flat_map(|&p| [p, p + by]).collect(), *half)]
            }
            Shape::Stroke(points, half) => {
                let copies = (by.length() / (half * 0.7).max(0.5)).floor() as usize + 1;
                (0..=copies)
                    .map(|copy| by * (copy as f64 / copies as f64))
                    .map(|shift| Shape::Stroke(points.iter().map(|&p| p + shift).collect(), *half))
                    .collect()
            }
        }
    }
}

/// Distance from `p` to a chain of points.
pub(super) fn chain_distance(points: &[Point], p: Point) -> f64 {
    match points {
        [] => f64::INFINITY,
        [only] => (p - *only).length(),
        _ => points
            .windows(2)
            .map(|pair| segment_distance_squared(pair[0], pair[1], p))
            .fold(f64::INFINITY, f64::min)
            .sqrt(),
    }
}

fn segment_distance_squared(a: Point, b: Point, p: Point) -> f64 {
    let along = b - a;
    let length = along.dot(along);
    let t = if length > 0.0 { ((p - a).dot(along) / length).clamp(0.0, 1.0) } else { 0.0 };
    let away = p - a - along * t;
    away.dot(away)
}

/// Convex hull (Andrew's monotone chain).
fn hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    let half = |points: &mut dyn Iterator<Item = Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for p in points {
            while let [.., a, b] = chain[..] {
                if (b - a).cross(p - b) > 0.0 {
                    break;
                }
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut all = half(&mut points.iter().copied());
    all.extend(half(&mut points.iter().rev().copied()));
    all
}

/// Smooth curve through the points (Catmull-Rom), `steps` pieces between each two.
pub(super) fn spline(points: &[Point], steps: usize) -> Vec<Point> {
    let Some((&first, &last)) = points.first().zip(points.last()) else { return Vec::new() };
    let mut padded = vec![first];
    padded.extend_from_slice(points);
    padded.push(last);
    let mut curve = vec![first];
    for four in padded.windows(4) {
        let (a, b, c, d) = (four[0], four[1], four[2], four[3]);
        for step in 1..=steps {
            let t = step as f64 / steps as f64;
            let cubic = b * 3.0 - a - c * 3.0 + d;
            let square = a * 2.0 - b * 5.0 + c * 4.0 - d;
            curve.push((b * 2.0 + (c - a + (square + cubic * t) * t) * t) * 0.5);
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_agree_with_the_libm() {
        for step in -40..80 {
            let turns = f64::from(step) / 37.0;
            let (sin, cos) = (turns * std::f64::consts::TAU).sin_cos();
            let d = direction(turns);
            assert!((d.x - cos).abs() < 1e-14 && (d.y - sin).abs() < 1e-14, "{turns}: {d:?} {cos} {sin}");
        }
    }

    #[test]
    fn distances_are_signed_and_right() {
        let square = Frame::new(pt(10.0, 10.0), 0.0).rect(0.0, 0.0, 4.0, 4.0);
        assert_eq!(square.distance(pt(10.0, 10.0)), -2.0);
        assert_eq!(square.distance(pt(15.0, 10.0)), 3.0);
        assert_eq!(disc(pt(0.0, 0.0), 2.0).distance(pt(3.0, 4.0)), 3.0);
    }

    #[test]
    fn a_swept_square_covers_its_way() {
        let square = Frame::new(pt(0.0, 0.0), 0.0).rect(0.0, 0.0, 2.0, 2.0);
        let swept = &square.swept(pt(10.0, 0.0))[0];
        assert!(swept.distance(pt(5.0, 0.0)) < 0.0 && swept.distance(pt(10.5, 0.9)) < 0.0);
        assert!(swept.distance(pt(12.0, 0.0)) > 0.0);
    }

    #[test]
    fn a_frame_and_its_inverse_cancel() {
        let frame = Frame::new(pt(3.0, 4.0), 0.17).child(5.0, -2.0, 0.3);
        let back = frame.local(frame.at(1.5, -7.0));
        assert!((back - pt(1.5, -7.0)).length() < 1e-12);
    }
}
