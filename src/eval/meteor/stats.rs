//! METEOR's 23 numbers and the score they give.

/// Exact, stem, synonym, paraphrase.
pub(super) const MODULES: usize = 4;

const ALPHA: f64 = 0.85;
const BETA: f64 = 0.2;
const GAMMA: f64 = 0.6;
/// Weight of content words; function words weigh 1 - DELTA.
const DELTA: f64 = 0.75;
const WEIGHTS: [f64; MODULES] = [1.0, 0.6, 0.8, 0.6];

/// Words matched by one module, on the side of the hypothesis ("test") and of the reference.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    pub test_content: u64,
    pub reference_content: u64,
    pub test_function: u64,
    pub reference_function: u64,
}

/// Statistics of a segment; those of a corpus are their sums.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct MeteorStats {
    pub test_length: u64,
    pub reference_length: u64,
    pub test_function: u64,
    pub reference_function: u64,
    pub modules: [Matched; MODULES],
    pub chunks: u64,
    pub test_matches: u64,
    pub reference_matches: u64,
}

impl MeteorStats {
    /// Adds a segment to a corpus. A segment that is one perfect chunk adds no chunk.
    pub fn add(&mut self, segment: &Self) {
        self.test_length += segment.test_length;
        self.reference_length += segment.reference_length;
        self.test_function += segment.test_function;
        self.reference_function += segment.reference_function;
        for (sum, module) in self.modules.iter_mut().zip(&segment.modules) {
            sum.test_content += module.test_content;
            sum.reference_content += module.reference_content;
            sum.test_function += module.test_function;
            sum.reference_function += module.reference_function;
        }
        self.chunks += if segment.is_perfect() { 0 } else { segment.chunks };
        self.test_matches += segment.test_matches;
        self.reference_matches += segment.reference_matches;
    }

    /// Every word matched, in one chunk.
    fn is_perfect(&self) -> bool {
        self.test_matches == self.test_length && self.reference_matches == self.reference_length && self.chunks == 1
    }

    /// The score: F-mean of weighted precision and recall, less a penalty for fragmentation.
    pub fn score(&self) -> f64 {
        let length = |length: u64, function: u64| DELTA * (length - function) as f64 + (1.0 - DELTA) * function as f64;
        // The reference adds all content words, module after module, then all function words; the order shows in the
        // last digit.
        let sum = |content: fn(&Matched) -> u64, function: fn(&Matched) -> u64| {
            let modules = || WEIGHTS.iter().zip(&self.modules);
            let sum = modules().fold(0.0, |sum, (weight, module)| sum + weight * DELTA * content(module) as f64);
            modules().fold(sum, |sum, (weight, module)| sum + weight * (1.0 - DELTA) * function(module) as f64)
        };
        let test = sum(|module| module.test_content, |module| module.test_function);
        let reference = sum(|module| module.reference_content, |module| module.reference_function);
        let precision = test / length(self.test_length, self.test_function);
        let recall = reference / length(self.reference_length, self.reference_function);
        let f_mean = 1.0 / (((1.0 - ALPHA) / precision) + (ALPHA / recall));
        let fragmentation = if self.is_perfect() {
            0.0
        } else {
            self.chunks as f64 / ((self.test_matches + self.reference_matches) as f64 / 2.0)
        };
        let score = f_mean * (1.0 - GAMMA * fragmentation.powf(BETA));
        if score.is_nan() { 0.0 } else { score.max(0.0) }
    }

    /// Statistics from the numbers in the reference program's order.
    pub fn from_numbers(numbers: &[u64; 23]) -> Self {
        let mut stats = Self {
            test_length: numbers[0],
            reference_length: numbers[1],
            test_function: numbers[2],
            reference_function: numbers[3],
            chunks: numbers[20],
            test_matches: numbers[21],
            reference_matches: numbers[22],
            ..Self::default()
        };
        for (module, matched) in stats.modules.iter_mut().enumerate() {
            let at = 4 + 4 * module;
            matched.test_content = numbers[at];
            matched.reference_content = numbers[at + 1];
            matched.test_function = numbers[at + 2];
            matched.reference_function = numbers[at + 3];
        }
        stats
    }

    /// The numbers in the reference program's order.
    pub fn numbers(&self) -> [u64; 23] {
        let mut numbers = [0; 23];
        let modules = self.modules.iter().flat_map(|module| {
            [module.test_content, module.reference_content, module.test_function, module.reference_function]
        });
        let all = [self.test_length, self.reference_length, self.test_function, self.reference_function]
            .into_iter()
            .chain(modules)
            .chain([self.chunks, self.test_matches, self.reference_matches]);
        for (slot, number) in numbers.iter_mut().zip(all) {
            *slot = number;
        }
        numbers
    }
}
