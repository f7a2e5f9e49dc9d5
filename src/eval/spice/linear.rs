//! A linear model over hashed features: one weight for each pair of a feature and an action.
//!
//! Training is the averaged structured perceptron (Collins, EMNLP 2002). The packed form keeps the averaged weights as
//! 8-bit numbers, features that matter alone.

use rustc_hash::FxHashMap;

/// Most actions that a model can tell apart: a row is one cache line.
pub const ACTIONS: usize = 64;

/// Sum of the weights of each action.
pub type Scores = [f32; ACTIONS];

/// What beam search asks of a model.
pub trait Model: Sync {
    /// Adds up the rows of some features.
    fn score(&self, features: &[u32], scores: &mut Scores);
}

/// A feature's hash: its template's number, then its values.
#[derive(Clone, Copy)]
pub struct Hash(u64);

impl Hash {
    pub fn new(template: u32) -> Self {
        Self((u64::from(template) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    #[must_use]
    pub fn and(self, value: u32) -> Self {
        Self((self.0.rotate_left(23) ^ u64::from(value)).wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    pub fn finish(self) -> u32 {
        (self.0 ^ self.0 >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_right(32) as u32
    }

    /// The number of a spelling.
    pub fn of(text: &str) -> u32 {
        text.bytes().fold(Self(0x5253_4943), |hash, byte| hash.and(u32::from(byte))).finish()
    }
}

/// Weights while they are learnt.
pub struct Trainer {
    rows: FxHashMap<u32, u32>,
    weights: Vec<Scores>,
    /// Sum over the updates of weight change times the time of the change.
    late: Vec<Scores>,
    /// How many updates a feature had.
    touched: Vec<u16>,
    time: f32,
}

impl Default for Trainer {
    fn default() -> Self {
        Self { rows: FxHashMap::default(), weights: Vec::new(), late: Vec::new(), touched: Vec::new(), time: 1.0 }
    }
}

impl Model for Trainer {
    fn score(&self, features: &[u32], scores: &mut Scores) {
        for feature in features {
            if let Some(&row) = self.rows.get(feature) {
                for (score, weight) in scores.iter_mut().zip(&self.weights[row as usize]) {
                    *score += weight;
                }
            }
        }
    }
}

impl Trainer {
    /// Adds to an action's weights.
    pub fn update(&mut self, features: &[u32], action: usize, by: f32) {
        for &feature in features {
            let next = self.weights.len() as u32;
            let row = *self.rows.entry(feature).or_insert(next) as usize;
            if row == self.weights.len() {
                self.weights.push([0.0; ACTIONS]);
                self.late.push([0.0; ACTIONS]);
                self.touched.push(0);
            }
            self.touched[row] = self.touched[row].saturating_add(1);
            self.weights[row][action] += by;
            self.late[row][action] += by * self.time;
        }
    }

    /// An example is over.
    pub fn tick(&mut self) {
        self.time += 1.0;
    }

    /// The averaged weights of features that had at least so many updates, sorted by hash.
    pub fn average(&self, updates: u16) -> Vec<(u32, Scores)> {
        let mut rows: Vec<(u32, Scores)> = self
            .rows
            .iter()
            .filter(|(_, row)| self.touched[**row as usize] >= updates)
            .map(|(&feature, &row)| {
                let (weights, late) = (&self.weights[row as usize], &self.late[row as usize]);
                (feature, std::array::from_fn(|action| weights[action] - late[action] / self.time))
            })
            .collect();
        rows.sort_unstable_by_key(|(feature, _)| *feature);
        rows
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

/// Averaged weights in 8 bits: an open-addressed table from features to rows.
#[derive(Debug, Default)]
pub struct Packed {
    /// Feature and row; `u32::MAX` as the row marks an empty slot.
    slots: Vec<(u32, u32)>,
    rows: Vec<[i8; ACTIONS]>,
    scale: f32,
}

impl Packed {
    /// Keeps weights of at least `least`.
    pub fn new(average: &[(u32, Scores)], least: f32) -> Self {
        // The greatest weights are few: they are cut so that the others keep their precision.
        let mut all: Vec<f32> =
            average.iter().flat_map(|(_, row)| row.iter().map(|w| w.abs())).filter(|w| *w >= least).collect();
        all.sort_unstable_by(f32::total_cmp);
        let greatest = all.get(all.len().saturating_sub(1 + all.len() / 20000)).copied().unwrap_or(1.0);
        let scale = greatest / 127.0;
        let quantise =
            |weight: f32| if weight.abs() < least { 0 } else { (weight / scale).round().clamp(-127.0, 127.0) as i8 };
        let rows = average.iter().map(|(feature, row)| (*feature, row.map(quantise)));
        Self::build(rows.filter(|(_, row)| row.iter().any(|&weight| weight != 0)).collect(), scale)
    }

    fn build(rows: Vec<(u32, [i8; ACTIONS])>, scale: f32) -> Self {
        let mut packed =
            Self { slots: vec![(0, u32::MAX); (rows.len() * 2).next_power_of_two()], rows: Vec::new(), scale };
        let mask = packed.slots.len() - 1;
        for (feature, row) in rows {
            let mut at = feature as usize & mask;
            while packed.slots[at].1 != u32::MAX {
                at = (at + 1) & mask;
            }
            packed.slots[at] = (feature, packed.rows.len() as u32);
            packed.rows.push(row);
        }
        packed
    }

    fn row(&self, feature: u32) -> Option<&[i8; ACTIONS]> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = feature as usize & mask;
        loop {
            match self.slots.get(at) {
                Some(&(_, u32::MAX)) | None => return None,
                Some(&(found, row)) if found == feature => return self.rows.get(row as usize),
                Some(_) => at = (at + 1) & mask,
            }
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Feature count, scale, then each feature: difference to the one before, how many weights, and those, in
    /// separate streams, which compress better.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut features: Vec<(u32, u32)> = self.slots.iter().filter(|slot| slot.1 != u32::MAX).copied().collect();
        features.sort_unstable();
        out.extend((features.len() as u32).to_le_bytes());
        out.extend(self.scale.to_le_bytes());
        let mut streams: [Vec<u8>; 4] = Default::default();
        let mut last = 0;
        for (feature, row) in features {
            let mut difference = feature - last;
            last = feature;
            while difference >= 128 {
                streams[0].push(difference as u8 | 128);
                difference >>= 7;
            }
            streams[0].push(difference as u8);
            let row = &self.rows[row as usize];
            streams[1].push(row.iter().filter(|&&weight| weight != 0).count() as u8);
            for (action, &weight) in row.iter().enumerate().filter(|(_, weight)| **weight != 0) {
                streams[2].push(action as u8);
                streams[3].push(weight as u8);
            }
        }
        for stream in streams {
            out.extend((stream.len() as u32).to_le_bytes());
            out.extend(stream);
        }
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let count = u32::from_le_bytes(take(from, 4)?.try_into().ok()?);
        let scale = f32::from_le_bytes(take(from, 4)?.try_into().ok()?);
        let mut streams: [&[u8]; 4] = Default::default();
        for stream in &mut streams {
            let length = u32::from_le_bytes(take(from, 4)?.try_into().ok()?) as usize;
            *stream = take(from, length)?;
        }
        let mut rows = Vec::with_capacity(count.min(1 << 22) as usize);
        let mut feature = 0u32;
        for _ in 0..count {
            let (mut difference, mut shift) = (0u32, 0);
            loop {
                let byte = take(&mut streams[0], 1)?[0];
                difference |= u32::from(byte & 127).checked_shl(shift)?;
                shift += 7;
                if byte & 128 == 0 {
                    break;
                }
            }
            feature = feature.wrapping_add(difference);
            let mut row = [0; ACTIONS];
            for _ in 0..take(&mut streams[1], 1)?[0] {
                let action = usize::from(take(&mut streams[2], 1)?[0]);
                *row.get_mut(action)? = take(&mut streams[3], 1)?[0] as i8;
            }
            rows.push((feature, row));
        }
        Some(Self::build(rows, scale))
    }
}

/// The next bytes, stepped over.
pub fn take<'b>(from: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

impl Model for Packed {
    fn score(&self, features: &[u32], scores: &mut Scores) {
        let mut sums = [0i16; ACTIONS];
        for &feature in features {
            if let Some(row) = self.row(feature) {
                for (sum, &weight) in sums.iter_mut().zip(row) {
                    *sum += i16::from(weight);
                }
            }
        }
        for (score, sum) in scores.iter_mut().zip(sums) {
            *score += f32::from(sum) * self.scale;
        }
    }
}
