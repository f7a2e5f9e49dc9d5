//! Polygons as GeoPackage has them: a header with the envelope, then well-known binary.

use super::Ring;

const HEADER: usize = 8 + 4 * 8;
/// Byte order, type, number of rings, number of points.
const WKB: usize = 1 + 3 * 4;

/// West, east, south, north.
pub(super) fn envelope(ring: &Ring) -> [f64; 4] {
    let along = |axis: fn(&[f64; 2]) -> f64| {
        let values = ring.iter().map(axis);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
    };
    let ((west, east), (south, north)) = (along(|point| point[0]), along(|point| point[1]));
    [west, east, south, north]
}

/// The blob of a polygon.
pub(super) fn encode(ring: &Ring, srs: i64) -> Vec<u8> {
    let mut blob = b"GP\0\x03".to_vec(); // version 1, little-endian, envelope of x and y
    blob.extend((srs as i32).to_le_bytes());
    blob.extend(envelope(ring).iter().flat_map(|value| value.to_le_bytes()));
    blob.push(1); // little-endian
    blob.extend([3u32, 1, ring.len() as u32].iter().flat_map(|value| value.to_le_bytes())); // a polygon of one ring
    blob.extend(ring.iter().flatten().flat_map(|value| value.to_le_bytes()));
    blob
}

/// The ring of a blob of [`encode`].
pub(super) fn decode(blob: &[u8]) -> Option<Ring> {
    let (values, rest) = blob.get(HEADER + WKB..)?.as_chunks::<8>();
    let mut ring = Ring::default();
    if !blob.starts_with(b"GP\0\x03") || !rest.is_empty() || values.len() != 2 * ring.len() {
        return None;
    }
    ring.iter_mut().flatten().zip(values).for_each(|(value, bytes)| *value = f64::from_le_bytes(*bytes));
    Some(ring)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_comes_back_and_other_blobs_are_refused() {
        let ring = [[1.5, 2.0], [1.5, -3.0], [4.0, -3.0], [4.0, 2.0], [1.5, 2.0]];
        let blob = encode(&ring, 32632);
        assert_eq!((decode(&blob), envelope(&ring)), (Some(ring), [1.5, 4.0, -3.0, 2.0]));
        assert_eq!(decode(&blob[..blob.len() - 1]), None);
        assert_eq!(decode(b""), None);
    }
}
