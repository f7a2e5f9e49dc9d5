//! COCO's run-length code of binary masks.
//!
//! A mask is read column by column; counts alternate between background and object, background first. The compressed
//! form writes each count (from the fourth on its difference to the one before the last) in groups of five bits, least
//! first, as characters from `0` up; the sixth bit says that more follow.

use anyhow::{Result, ensure};

/// Counts of a mask of known size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rle {
    pub height: u32,
    pub width: u32,
    pub counts: Vec<u32>,
}

/// Why a code is no mask: what follows "the run-length code".
pub type RleError = anyhow::Error;

impl Rle {
    /// Checks that the counts fill the mask exactly.
    pub fn new(height: u32, width: u32, counts: Vec<u32>) -> Result<Self, RleError> {
        let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let pixels = u64::from(height) * u64::from(width);
        ensure!(pixels <= 1 << 30, "the run-length code is {height} x {width} pixels, which is too large");
        ensure!(total == pixels, "the run-length code covers {total} pixels, but its mask is {height} x {width}");
        Ok(Self { height, width, counts })
    }

    /// Reads the compressed form.
    pub fn parse(height: u32, width: u32, text: &str) -> Result<Self, RleError> {
        let mut counts: Vec<u32> = Vec::new();
        let mut bytes = text.bytes();
        while let Some(first) = bytes.next() {
            let (mut value, mut shift, mut byte) = (0i64, 0, first);
            loop {
                ensure!(
                    (48..112).contains(&byte),
                    "the run-length code contains '{}'",
                    char::from(byte).escape_debug()
                );
                ensure!(shift < 40, "the run-length code contains a count that is too large");
                let digit = i64::from(byte - 48);
                value |= (digit & 31) << shift;
                shift += 5;
                if digit & 32 == 0 {
                    if digit & 16 != 0 {
                        value |= -1 << shift; // negative
                    }
                    break;
                }
                byte = match bytes.next() {
                    Some(next) => next,
                    None => anyhow::bail!("the run-length code ends within a count"),
                };
            }
            if let [.., before, _] = counts.as_slice()
                && counts.len() > 2
            {
                value += i64::from(*before);
            }
            match u32::try_from(value) {
                Ok(count) => counts.push(count),
                Err(_) => anyhow::bail!("the run-length code contains the count {value}"),
            }
        }
        Self::new(height, width, counts)
    }

    /// The compressed form, as pycocotools writes it.
    pub fn compressed(&self) -> String {
        let mut text = String::new();
        for (index, &count) in self.counts.iter().enumerate() {
            let before = index.checked_sub(2).filter(|_| index > 2).and_then(|index| self.counts.get(index));
            let mut value = i64::from(count) - before.map_or(0, |&before| i64::from(before));
            loop {
                let digit = (value & 31) as u8;
                value >>= 5;
                // The last digit's fifth bit is the sign.
                let more = if digit & 16 != 0 { value != -1 } else { value != 0 };
                text.push(char::from(48 + (digit | if more { 32 } else { 0 })));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// Pixels of the object.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&count| u64::from(count)).sum()
    }

    /// First and last column and row of the object: left, upper, right, lower; `None` where it has no pixel.
    pub fn bounds(&self) -> Option<[i64; 4]> {
        let height = u64::from(self.height).max(1);
        let mut bounds: Option<[u64; 4]> = None;
        let mut start = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            let end = start + u64::from(count);
            if index % 2 == 1 && count > 0 {
                let (first, last) = (start / height, (end - 1) / height);
                // A run that reaches the next column touches both ends of the columns.
                let (top, bottom) = if first == last { (start % height, (end - 1) % height) } else { (0, height - 1) };
                let old = bounds.unwrap_or([first, top, last, bottom]);
                bounds = Some([old[0], old[1].min(top), last, old[3].max(bottom)]);
            }
            start = end;
        }
        bounds.map(|bounds| bounds.map(|edge| edge as i64))
    }

    /// Calls `paint` with the place, row by row, of every pixel of the object.
    pub fn for_each(&self, mut paint: impl FnMut(usize)) {
        let (height, width) = (self.height as usize, self.width as usize);
        let mut at = 0; // column by column
        for (index, &count) in self.counts.iter().enumerate() {
            let end = at + count as usize;
            if index % 2 == 1 {
                (at..end).for_each(|place| paint(place % height * width + place / height));
            }
            at = end;
        }
    }
}

/// Counts of a mask that comes run by run, column by column.
#[derive(Debug, Default)]
pub struct RunLengths {
    counts: Vec<u64>,
}

impl RunLengths {
    /// `length` more pixels of the background or of the object.
    pub fn push(&mut self, object: bool, length: u64) {
        if length == 0 {
            return;
        }
        if object && self.counts.is_empty() {
            self.counts.push(0); // the background comes first, even where there is none
        }
        let last_is_object = self.counts.len().is_multiple_of(2);
        match self.counts.last_mut() {
            Some(last) if object == last_is_object => *last += length,
            _ => self.counts.push(length),
        }
    }

    /// The mask; an error where the runs do not fill it.
    pub fn finish(self, height: u32, width: u32) -> Result<Rle, RleError> {
        let counts = self.counts.into_iter().map(u32::try_from).collect::<Result<_, _>>();
        Rle::new(height, width, counts.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes written by pycocotools 2.0.
    #[test]
    fn compressed_codes_are_those_of_pycocotools() {
        for (height, width, text, counts) in KNOWN {
            let rle = Rle::parse(*height, *width, text).unwrap();
            assert_eq!(rle.counts, *counts, "{text}");
            assert_eq!(rle.compressed(), *text);
        }
    }

    const KNOWN: &[(u32, u32, &str, &[u32])] = &[
        (3, 4, "11312", &[1, 1, 3, 2, 5]),
        (7, 5, "012020M0121N51I01", &[0, 1, 2, 1, 4, 1, 1, 1, 2, 3, 3, 1, 8, 2, 1, 2, 2]),
        (
            40,
            60,
            "hj09n02M4N0O2N2O0000000000000001N2N102L3Nah0",
            &[
                856, 9, 30, 11, 27, 15, 25, 15, 24, 17, 22, 19, 21, 19, 21, 19, 21, 19, 21, 19, 21, 19, 21, 19, 21, 19,
                21, 19, 22, 17, 24, 15, 25, 15, 27, 11, 30, 9, 815,
            ],
        ),
        (1, 1, "01", &[0, 1]),
        (
            30,
            30,
            "k36h000000000000000000000000000000Y9",
            &[
                123, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24, 6, 24,
                6, 24, 6, 321,
            ],
        ),
        (300, 200, "eYm0m8?000_h=UGhk0", &[30005, 285, 15, 285, 15, 285, 14110, 2, 14998]),
    ];

    #[test]
    fn runs_of_one_kind_are_joined() {
        let counts = |runs: &[(bool, u64)]| {
            let mut lengths = RunLengths::default();
            runs.iter().for_each(|&(object, length)| lengths.push(object, length));
            lengths.finish(1, 9).map(|rle| rle.counts)
        };
        assert_eq!(counts(&[(true, 2), (true, 1), (false, 0), (true, 1), (false, 5)]).unwrap(), [0, 4, 5]);
        assert_eq!(counts(&[(false, 4), (false, 5)]).unwrap(), [9]);
        assert_eq!(counts(&[(false, 4), (true, 2), (false, 1), (true, 2)]).unwrap(), [4, 2, 1, 2]);
        assert!(counts(&[(true, 3)]).is_err());
    }

    #[test]
    fn objects_lie_column_by_column() {
        let rle = Rle::new(2, 3, vec![1, 2, 3]).unwrap();
        let mut places = Vec::new();
        rle.for_each(|place| places.push(place));
        assert_eq!((places, rle.area()), (vec![3, 1], 2));
        assert_eq!(rle.bounds(), Some([0, 0, 1, 1]));
    }

    #[test]
    fn bounds_are_those_of_every_pixel() {
        let bounds = |counts: &[u32]| Rle::new(4, 5, counts.to_vec()).unwrap().bounds();
        assert_eq!(bounds(&[20]), None);
        assert_eq!(bounds(&[5, 2, 2, 1, 10]), Some([1, 1, 2, 2]));
        assert_eq!(bounds(&[6, 3, 11]), Some([1, 0, 2, 3]));
        assert_eq!(bounds(&[0, 20]), Some([0, 0, 4, 3]));
    }

    #[test]
    fn bad_codes_are_errors() {
        let error = |text: &str| Rle::parse(2, 2, text).unwrap_err().to_string();
        assert!(Rle::parse(2, 2, "4").is_ok());
        assert!(error("5").contains("covers 5 pixels"));
        assert!(error("1P").contains("ends within a count"));
        assert!(error("1 ").contains("contains ' '"));
        assert!(error("O").contains("contains the count -1"));
        assert!(error(&"o".repeat(30)).contains("too large"));
    }
}
