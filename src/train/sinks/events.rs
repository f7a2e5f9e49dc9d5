//! Event files that TensorBoard reads.
//!
//! A file is a chain of TFRecords: length (u64), its checksum, the bytes, their checksum; numbers little-endian,
//! checksums CRC32C masked as `((crc >> 15) | (crc << 17)) + 0xa282ead8`. Each record is an `Event` message of
//! `tensorboard/compat/proto/event.proto`, the first of them the version of the format.

/// Values of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalars {
    /// Seconds since 1970.
    pub wall_time: f64,
    pub step: i64,
    /// `group/name` and value.
    pub values: Vec<(String, f64)>,
}

/// The bytes of an event file. Those of a longer list begin with those of a shorter one.
pub fn events(scalars: &[Scalars]) -> Vec<u8> {
    let mut file = Vec::new();
    let start = scalars.first().map_or(0.0, |first| first.wall_time);
    let mut version = Message::default();
    version.double(1, start).bytes(3, b"brain.Event:2");
    record(&mut file, &version.0);
    for Scalars { wall_time, step, values } in scalars {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut entry = Message::default();
            entry.bytes(1, tag.as_bytes()).float(2, *value as f32);
            summary.bytes(1, &entry.0);
        }
        let mut event = Message::default();
        event.double(1, *wall_time).varint(2, *step as u64).bytes(5, &summary.0);
        record(&mut file, &event.0);
    }
    file
}

fn record(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    file.extend_from_slice(&length);
    file.extend_from_slice(&masked(crc32c(&length)).to_le_bytes());
    file.extend_from_slice(data);
    file.extend_from_slice(&masked(crc32c(data)).to_le_bytes());
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: the files are small.
fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

/// A protocol buffer message, written field by field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire_type: u64) {
        self.raw_varint(field << 3 | wire_type);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) -> &mut Self {
        self.key(field, 0);
        self.raw_varint(value);
        self
    }

    fn double(&mut self, field: u64, value: f64) -> &mut Self {
        self.key(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn float(&mut self, field: u64, value: f32) -> &mut Self {
        self.key(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Self {
        self.key(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    /// The same events as TensorBoard's own writer made them: `tests/golden/events.py`.
    #[test]
    fn the_bytes_are_tensorboard_s_own() {
        let scalars = |step: i64, values: &[(&str, f64)]| Scalars {
            wall_time: 1_700_000_000.5 + step as f64,
            step,
            values: values.iter().map(|(tag, value)| ((*tag).to_owned(), *value)).collect(),
        };
        let written = events(&[
            scalars(1, &[("train/loss", 3.25), ("validation/CIDEr", 0.1)]),
            scalars(2, &[("train/loss", 2.5), ("validation/CIDEr", -1e-30)]),
            scalars(300, &[("train/loss", 0.0)]),
        ]);
        assert!(written == include_bytes!("../../../tests/golden/events.out.tfevents.golden"));
    }
}
