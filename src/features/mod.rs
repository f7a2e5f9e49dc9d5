//! Image features of frozen encoders, computed once and cached on disk.
//!
//! A cached row is found by what it was made from: the bytes of the image file, the encoder, the bytes of its weight
//! file, the image size, the way pixels are decoded and resized, the kind of feature, and whether a GPU computed it.
//! Nothing is found by name or date, so a changed weight, size or image is never served stale.

pub mod direct;
mod extract;
mod live;
mod pixels;
mod store;
pub mod view;

pub use live::{Intake, LiveEncoder};

use crate::data::image::{Filter, Reading, is_deep};
use crate::models::FeatureKind;
use crate::models::encoders::EncoderConfig;
use crate::models::encoders::{self, Precision, RANDOM};
use crate::runtime::libtorch::{fetched, upload};
use crate::util::fs::{sha256, sha256_file, writable};
use crate::weights::not_finite;
use anyhow::{Context, Result, bail};
use pixels::Pixels;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::slice;
use store::{ImageHash, Key, Rows, Writer};
use tch::{Device, Kind, Tensor};
use view::View;

/// Changes whenever an encoder computes other numbers from the same pixels.
const ENCODER_VERSION: u32 = 2;
/// How [`crate::data::image`] makes pixels of a file, before and after the name of the filter; changes whenever it
/// gives other bytes.
const PIXELS: [&str; 2] = ["rgb8", "antialias 1"];

/// What a stretch makes of more than 8 bits; changes whenever it gives other bytes.
const STRETCHED: &[u8] = b"stretched 1";

/// Image files, and how pixels are made of them.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    pub paths: &'a [PathBuf],
    pub reading: &'a Reading,
}

/// How far an extraction is, told after every batch.
#[derive(Debug, Clone, Copy)]
pub struct FeatureProgress<'a> {
    /// Name of the encoder.
    pub encoder: &'a str,
    /// Images that were in the cache at the start.
    pub cached: usize,
    /// Images dealt with so far, not counting the cached ones.
    pub done: usize,
    /// Images to deal with, not counting the cached ones.
    pub total: usize,
}

/// The features of a list of images by one or more encoders.
#[derive(Debug)]
pub struct FeatureSet {
    encoders: Vec<Features>,
    failures: BTreeMap<usize, String>,
    device: Device,
}

#[derive(Debug)]
struct Features {
    counts: Counts,
    /// Row of each image; the content of the image file is its name.
    hashes: Vec<Option<ImageHash>>,
    /// `None` where no image could be read.
    rows: Option<Rows>,
    /// All rows, `[images, C]`, on the device; of pooled features alone, for they are small.
    resident: Option<Tensor>,
    /// In place of all that: the images themselves, for an encoder that is trained.
    pixels: Option<Pixels>,
}

impl Features {
    fn of_pixels(pixels: Pixels, counts: Counts) -> Self {
        Self { counts, hashes: Vec::new(), rows: None, resident: None, pixels: Some(pixels) }
    }

    /// Shape and kind of an image's row on the host.
    fn layout(&self) -> Result<(Vec<i64>, Kind)> {
        match (&self.pixels, &self.rows) {
            (Some(pixels), _) => Ok((pixels.shape().to_vec(), Kind::Uint8)),
            (None, Some(rows)) => Ok((rows.shape.clone(), Kind::Float)),
            (None, None) => bail!("no image could be read"),
        }
    }

    /// Where the row of an image is.
    fn source(&self, image: usize) -> Result<Source<'_>> {
        if let Some(pixels) = &self.pixels {
            return Ok(Source::Pixels(pixels, image));
        }
        let hash = self.hashes.get(image).and_then(Option::as_ref).context("not among the images that can be read")?;
        Ok(Source::Stored(self.rows.as_ref().context("no image could be read")?, hash))
    }
}

/// Where the row of an image is, for any thread to read.
enum Source<'a> {
    Pixels(&'a Pixels, usize),
    Stored(&'a Rows, &'a ImageHash),
}

impl Source<'_> {
    /// Writes the row to `row`, whose length is that of [`Features::layout`].
    fn read(&self, row: &mut [u8]) -> Result<()> {
        match self {
            Self::Pixels(pixels, image) => {
                row.copy_from_slice(&pixels.row(*image)?);
                Ok(())
            }
            Self::Stored(rows, hash) => rows.read(hash, row),
        }
    }
}

/// Images by where their features came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub cached: usize,
    pub new: usize,
    pub failed: usize,
}

impl FeatureSet {
    /// The features of `images` by every encoder: from the cache folder `cache`, and computed on `device` and added to
    /// it where they are not there. Image `i` of the set is `images[i]`.
    ///
    /// An image that cannot be read is no error here: see [`FeatureSet::failures`]. `progress` may stop the work with
    /// an error; what is done stays in the cache, and the next call goes on from there. Two processes may ask for the
    /// same features: one computes, the other waits and reads.
    pub fn load_or_extract(
        encoders: &[EncoderConfig],
        kind: FeatureKind,
        images: &[PathBuf],
        device: Device,
        cache: &Path,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<Self> {
        let images = Images { paths: images, reading: &Reading::default() };
        Self::of_view(encoders, kind, None, images, device, cache, progress)
    }

    /// [`Self::load_or_extract`] of an augmented view of each image.
    pub fn of_view(
        encoders: &[EncoderConfig],
        kind: FeatureKind,
        view: Option<&View>,
        images: Images,
        device: Device,
        cache: &Path,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<Self> {
        let job = |config| {
            let job = Job { config, kind, view, images, device, cache };
            Ok((job.key()?, job))
        };
        // All weights are looked for before the first encoder works for hours.
        let jobs: Vec<(Key, Job)> = encoders.iter().map(job).collect::<Result<_>>()?;
        let hashed: Vec<Result<ImageHash, String>> =
            images.paths.par_iter().map(|image| content(image).map_err(|error| format!("{error:#}"))).collect();
        let mut failures: BTreeMap<usize, String> =
            hashed.iter().enumerate().filter_map(|(i, hash)| Some((i, hash.as_ref().err()?.clone()))).collect();
        let hashes: Vec<Option<ImageHash>> = hashed.into_iter().map(Result::ok).collect();
        let mut sets = Vec::new();
        for (key, job) in jobs {
            sets.push(job.run(&key, hashes.clone(), &mut failures, progress)?);
        }
        let mut set = Self { encoders: sets, failures, device };
        for encoder in 0..set.encoders.len() {
            set.finish(encoder, kind, images.paths.len())?;
        }
        Ok(set)
    }

    /// The pixels of `images` as this encoder, which is trained, takes them, in place of its features: [`Self::rows`]
    /// gives bytes `[B, H, W, 3]`.
    pub fn of_pixels(
        images: Images,
        encoder: &EncoderConfig,
        device: Device,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<Self> {
        let pixels = Pixels::new(images, encoder);
        let images = images.paths;
        let mut failures = BTreeMap::new();
        let places: Vec<usize> = (0..images.len()).collect();
        for (batch, places) in places.chunks(256).enumerate() {
            progress(FeatureProgress { encoder: "pixels", cached: 0, done: batch * 256, total: images.len() })?;
            let checked: Vec<Result<()>> = places.par_iter().map(|&image| pixels.check(image)).collect();
            let faults = places.iter().zip(checked).filter_map(|(&image, checked)| Some((image, checked.err()?)));
            failures.extend(faults.map(|(image, error)| (image, format!("{error:#}"))));
        }
        let counts = Counts { cached: 0, new: images.len() - failures.len(), failed: failures.len() };
        Ok(Self { encoders: vec![Features::of_pixels(pixels, counts)], failures, device })
    }

    /// [`Self::of_pixels`] of an augmented view of images that are known to be readable.
    pub fn of_pixel_view(images: Images, encoder: &EncoderConfig, view: &View, device: Device) -> Self {
        let pixels = Pixels::of_view(images, encoder, view.clone());
        let counts = Counts { new: images.paths.len(), ..Counts::default() };
        Self { encoders: vec![Features::of_pixels(pixels, counts)], failures: BTreeMap::new(), device }
    }

    /// Adds the features of as many other pictures, one to each image, as if they were further encoders. An image of
    /// which either cannot be read has failed.
    pub fn join(&mut self, other: Self) {
        self.encoders.extend(other.encoders);
        for (image, why) in other.failures {
            self.failures.entry(image).or_insert(why);
        }
    }

    /// Counts the failures, and lays pooled rows out on the device.
    fn finish(&mut self, encoder: usize, kind: FeatureKind, images: usize) -> Result<()> {
        let usable: Vec<usize> = (0..images).filter(|image| !self.failures.contains_key(image)).collect();
        let failed = self.failures.len();
        let all = match kind {
            FeatureKind::Pooled if !usable.is_empty() => Some(self.rows(encoder, &usable)?),
            _ => None,
        };
        let Some(features) = self.encoders.get_mut(encoder) else { return Ok(()) };
        features.counts.failed = failed;
        if let Some(all) = all {
            let places: Vec<i64> = usable.iter().map(|&image| image as i64).collect();
            let places = upload(&places, self.device);
            let resident = Tensor::zeros([images as i64, all.size()[1]], (Kind::Float, self.device));
            features.resident = Some(resident.index_copy(0, &places, &all));
        }
        Ok(())
    }

    /// Number of encoders.
    pub fn encoders(&self) -> usize {
        self.encoders.len()
    }

    /// Shape of an image's features by an encoder: `[C]` or `[C, H, W]`; empty where no image could be read.
    pub fn shape(&self, encoder: usize) -> &[i64] {
        self.encoders.get(encoder).and_then(|features| features.rows.as_ref()).map_or(&[], |rows| &rows.shape)
    }

    /// Where the features of an encoder came from.
    pub fn counts(&self, encoder: usize) -> Counts {
        self.encoders.get(encoder).map_or(Counts::default(), |features| features.counts)
    }

    /// Images that could not be read, by their place in the list, and why.
    pub fn failures(&self) -> &BTreeMap<usize, String> {
        &self.failures
    }

    /// Whether the features of an image are there.
    pub fn has(&self, image: usize) -> bool {
        !self.failures.contains_key(&image)
    }

    /// Tells which images [`Self::rows`] will be asked for next: their files may be read meanwhile.
    pub fn prefetch(&self, images: &[usize]) {
        self.encoders.iter().filter_map(|features| features.pixels.as_ref()).for_each(|pixels| pixels.prefetch(images));
    }

    /// The features of some images by one encoder, in the order of `images`: `[B, C]` or `[B, C, H, W]`, on the device.
    ///
    /// An error for an image that is not in the set or could not be read.
    pub fn rows(&self, encoder: usize, images: &[usize]) -> Result<Tensor> {
        let features = self.features(encoder)?;
        if let Some((image, why)) = images.iter().find_map(|image| self.failures.get_key_value(image)) {
            bail!("no features for image {image}: {why}");
        }
        if let Some(pixels) = &features.pixels {
            return pixels.rows(images, self.device);
        }
        if let Some(resident) = &features.resident {
            let count = resident.size()[0] as usize;
            if let Some(image) = images.iter().find(|&&image| image >= count) {
                bail!("image index {image} out of range for a feature set of {count}");
            }
            let places: Vec<i64> = images.iter().map(|&image| image as i64).collect();
            return Ok(resident.index_select(0, &upload(&places, self.device)));
        }
        let choices: Vec<(usize, usize)> = images.iter().map(|&image| (0, image)).collect();
        Self::gather(slice::from_ref(self), encoder, &choices)
    }

    /// The features by one encoder of image `i` of set `s` for each `(s, i)` of `choices`, as [`Self::rows`] gives
    /// them; the sets have the same encoders. One copy to the device, whatever the number of sets.
    pub fn gather(sets: &[Self], encoder: usize, choices: &[(usize, usize)]) -> Result<Tensor> {
        let first = sets.first().context("no feature set to choose from")?;
        let (shape, kind) = first.features(encoder)?.layout()?;
        let length = shape.iter().product::<i64>() as usize * kind.elt_size_in_bytes();
        let mut sources = Vec::with_capacity(choices.len());
        for &(set, image) in choices {
            let set = sets.get(set).with_context(|| format!("there is no feature set number {set}"))?;
            let source = set.features(encoder)?.source(image);
            sources.push(source.with_context(|| format!("no features for image {image}"))?);
        }
        let mut bytes = vec![0; choices.len() * length];
        let rows = bytes.par_chunks_exact_mut(length.max(1)).zip(&sources);
        rows.try_for_each(|(row, source)| source.read(row))?;
        let shape: Vec<i64> = std::iter::once(choices.len() as i64).chain(shape).collect();
        Ok(fetched(&Tensor::f_from_data_size(&bytes, &shape, kind)?, first.device))
    }

    fn features(&self, encoder: usize) -> Result<&Features> {
        self.encoders.get(encoder).context("no such encoder in the feature set")
    }
}

/// What names an image in the cache.
fn content(image: &Path) -> Result<ImageHash> {
    let bytes = std::fs::read(image).with_context(|| format!("cannot read the image '{}'", image.display()))?;
    let mut hasher = Sha256::new().chain_update(&bytes);
    if is_deep(&bytes) {
        hasher.update(STRETCHED);
    }
    Ok(hasher.finalize().into())
}

fn checked_size(EncoderConfig { name, image_size, .. }: &EncoderConfig) -> Result<u32> {
    if !(32..=4096).contains(image_size) {
        bail!("the image size of encoder '{name}' is {image_size}; it must be 32 to 4096 pixels");
    }
    Ok(*image_size)
}

/// Names how pixels are made of files.
fn pixels(filter: Filter) -> String {
    let [decoded, resized] = PIXELS;
    format!("{decoded} {} {resized}", filter.name())
}

/// What there is to say against the numbers of a row of little-endian f32.
fn fault_of(row: &[u8], shape: &[i64], image: &str) -> Option<String> {
    let (values, _) = row.as_chunks::<4>();
    if values.iter().all(|value| f32::from_le_bytes(*value).is_finite()) {
        return None;
    }
    let tensor = Tensor::f_from_data_size(row, shape, tch::Kind::Float).ok()?;
    Some(not_finite(image, &tensor)?.to_string())
}

/// The features of one encoder to be had.
struct Job<'a> {
    config: &'a EncoderConfig,
    kind: FeatureKind,
    view: Option<&'a View>,
    images: Images<'a>,
    device: Device,
    cache: &'a Path,
}

impl Job<'_> {
    fn run(
        &self,
        key: &Key,
        hashes: Vec<Option<ImageHash>>,
        failures: &mut BTreeMap<usize, String>,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<Features> {
        let digest = sha256(&serde_json::to_vec(key)?);
        let file = format!("{}-{}-{}.features", self.config.name, self.kind.name(), &digest[..16]);
        let file = Path::new("features").join(file);
        let mut path = self.cache.join(&file);

        let wanted: BTreeSet<ImageHash> = hashes.iter().flatten().copied().collect();
        let mut rows = store::read(&path, key, &wanted)?;
        let mut new = 0;
        if !self.absent(rows.as_ref(), &hashes, failures).is_empty() {
            path = writable(self.cache, &file)?;
            let mut writer = Writer::lock(&path, key, || {
                tracing::info!("another process is writing '{}'; waiting for it", path.display());
            })?;
            rows = store::read(&path, key, &wanted)?; // the other process may have done the work
            let mut absent = self.absent(rows.as_ref(), &hashes, failures);
            while !absent.is_empty() {
                // Behind a damaged header there are rows, which one new row brings back.
                let mends = writer.mends();
                absent.truncate(if mends { 1 } else { absent.len() });
                new += self.extract(&mut writer, &absent, &hashes, failures, progress)?;
                rows = store::read(&path, key, &wanted)?;
                absent = if mends { self.absent(rows.as_ref(), &hashes, failures) } else { Vec::new() };
            }
            writer.finish()?;
        }
        if let Some(rows) = &rows {
            self.check_finite(rows, &hashes, &path)?;
        }
        let usable = hashes.iter().enumerate().filter(|(place, hash)| hash.is_some() && !failures.contains_key(place));
        let cached = usable.count().saturating_sub(new);
        Ok(Features { counts: Counts { cached, new, failed: 0 }, hashes, rows, resident: None, pixels: None })
    }

    /// An error for rows that are no numbers: files of earlier versions may hold such, from weights that were none.
    fn check_finite(&self, rows: &Rows, hashes: &[Option<ImageHash>], path: &Path) -> Result<()> {
        let mut faults = Vec::new();
        let mut row = vec![0; store::row_bytes(&rows.shape)];
        for (image, hash) in self.images.paths.iter().zip(hashes) {
            let Some(hash) = hash.as_ref().filter(|hash| rows.contains(hash)) else { continue };
            rows.read(hash, &mut row)?;
            faults.extend(fault_of(&row, &rows.shape, &image.to_string_lossy()));
        }
        match faults.first() {
            None => Ok(()),
            Some(first) => bail!(
                "the features of {} images by '{}' in '{}' are no numbers ({first}); remove that file to \
                 compute them again",
                faults.len(),
                self.config.name,
                path.display()
            ),
        }
    }

    /// Images without a row, one for each content.
    fn absent(
        &self,
        rows: Option<&Rows>,
        hashes: &[Option<ImageHash>],
        failures: &BTreeMap<usize, String>,
    ) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let absent = |hash: &ImageHash| !rows.is_some_and(|rows| rows.contains(hash));
        let places = hashes.iter().enumerate().filter_map(|(place, hash)| Some((place, (*hash)?)));
        places
            .filter(|(place, hash)| absent(hash) && !failures.contains_key(place) && seen.insert(*hash))
            .map(|(place, _)| place)
            .collect()
    }

    /// Computes and appends the rows of the images at `places`; gives how many there are.
    fn extract(
        &self,
        writer: &mut Writer,
        places: &[usize],
        hashes: &[Option<ImageHash>],
        failures: &mut BTreeMap<usize, String>,
        progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
    ) -> Result<usize> {
        let EncoderConfig { name, weights, image_size, precision, .. } = self.config;
        let encoder = encoders::build_in(name, weights, self.device, *precision)?;
        let cached = hashes.len() - places.len();
        let (mut done, mut new) = (0, 0);
        progress(FeatureProgress { encoder: name, cached, done, total: places.len() })?;
        // An augmented view is drawn from the image's content.
        let seed = |place: usize| hashes.get(place).and_then(|hash| Some(self.view?.seed(hash.as_ref()?)));
        let change = |places: &[usize], pixels: &mut Vec<u8>| {
            let seeds: Vec<u64> = places.iter().filter_map(|&place| seed(place)).collect();
            if let Some(view) = self.view {
                *pixels = view.settings.apply_all(pixels, *image_size, &seeds);
            }
        };
        extract::run(&encoder, self.kind, *image_size, self.images, places, &change, |batch| {
            done += batch.rows.len() + batch.failed.len();
            for (place, row) in &batch.rows {
                let image = self.images.paths.get(*place).map_or_else(String::new, |image| image.display().to_string());
                if let Some(fault) = fault_of(row, &batch.shape, &image) {
                    bail!("the encoder '{name}' gives features that are no numbers ({fault}); check its weights");
                }
            }
            let mut failed = batch.failed;
            let mut rows = Vec::with_capacity(batch.rows.len());
            for (place, row) in &batch.rows {
                let (Some(image), Some(Some(hash))) = (self.images.paths.get(*place), hashes.get(*place)) else {
                    continue;
                };
                // The same content before and after decoding: the row is that of this content.
                if content(image).is_ok_and(|now| now == *hash) {
                    rows.push((hash, row.as_slice()));
                } else {
                    failed.push((*place, format!("the image '{}' changed while it was read", image.display())));
                }
            }
            if !rows.is_empty() {
                new += rows.len();
                writer.append(&batch.shape, rows)?;
            }
            for (place, why) in failed {
                // Every image of the same content fails alike.
                let content = hashes.get(place).copied().flatten();
                let alike = hashes.iter().enumerate().filter(|(_, hash)| hash.is_some() && **hash == content);
                let alike: Vec<usize> = alike.map(|(place, _)| place).chain([place]).collect();
                failures.extend(alike.into_iter().map(|place| (place, why.clone())));
            }
            progress(FeatureProgress { encoder: name, cached, done, total: places.len() })
        })?;
        Ok(new)
    }

    fn key(&self) -> Result<Key> {
        let EncoderConfig { name, weights, image_size, precision, .. } = self.config;
        let preprocessing = encoders::spec::find(name)?.preprocessing;
        checked_size(self.config)?;
        let weights = match weights.as_str() {
            RANDOM => format!("{RANDOM}-1"),
            file => sha256_file(Path::new(file))
                .with_context(|| format!("weights of the encoder '{name}' (see weights/README.md for downloads)"))?,
        };
        Ok(Key {
            encoder: format!(
                "{name}/{ENCODER_VERSION}{}{}",
                if *precision == Precision::Bfloat16 { " bfloat16" } else { "" },
                // A GPU sums in another order.
                if self.device.is_cuda() { " cuda" } else { "" },
            ),
            weights,
            image_size: *image_size,
            preprocessing: format!(
                "{} {:?} {:?}{}{}",
                pixels(preprocessing.filter),
                preprocessing.mean,
                preprocessing.std,
                self.view.map_or_else(String::new, View::key),
                self.images.reading.key()
            ),
            kind: self.kind.name().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_nan_is_told_by_image_count_and_place() {
        let row: Vec<u8> =
            [1.0f32, f32::NAN, f32::INFINITY, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let said = fault_of(&row, &[2, 2], "a.png").unwrap();
        assert!(said.contains("'a.png' has 2 of 4 values that are no finite numbers, the first at [0, 1]"), "{said}");
        assert_eq!(fault_of(row.get(..4).unwrap(), &[1], "a.png"), None);
    }

    /// Where this fails because decoding or resizing has changed, change [`PIXELS`] too: old rows are stale.
    #[test]
    fn pixels_are_those_of_the_named_version() {
        let scene = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/encoders/scene0.png");
        let pixels = crate::data::image::load(&scene, 100).unwrap();
        let name = super::pixels(Filter::Bilinear);
        assert_eq!((name.as_str(), &sha256(&pixels)[..16]), ("rgb8 bilinear antialias 1", "a1cb825248f6c1b2"));
    }

    #[test]
    fn normalised_tensors_equal_normalised_slices() {
        let pixels: Vec<u8> = (0..27u8).map(|value| value * 9).collect();
        let tensor = Tensor::from_slice(&pixels).view([1, 3, 3, 3]);
        let ours = encoders::Preprocessing::IMAGENET.apply(&tensor).contiguous().view(-1);
        let mut planes = vec![0f32; 27];
        crate::data::image::normalize(&pixels, &mut planes).unwrap();
        let difference = (ours - Tensor::from_slice(&planes)).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{difference}");
    }
}
