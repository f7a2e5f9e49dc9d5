//! Which object each pixel of an image shows.

use super::records::Record;
use ::image::{DynamicImage, ImageFormat, ImageReader, Limits, RgbImage};
use anyhow::{Result, bail, ensure};
use rustc_hash::FxHashMap;
use std::io::Cursor;

/// Most objects of an image; a picture of more colours is none of flat ones.
const MOST: usize = 4096;

/// For each pixel, row by row, the rank of its object by falling area, from 1; 0 for the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    pub width: u32,
    pub height: u32,
    pub ranks: Vec<u16>,
}

impl Labels {
    /// Of regions by any numbers, 0 for the background. Ranks by falling area, equal areas by their first pixel.
    pub fn from_regions(width: u32, height: u32, regions: &[u32]) -> Result<Self> {
        ensure!(
            regions.len() as u64 == u64::from(width) * u64::from(height),
            "the number of regions does not match the number of pixels"
        );
        let mut areas: Vec<(u32, usize)> = Vec::new(); // in the order of first pixels
        let mut places: FxHashMap<u32, usize> = FxHashMap::default();
        for &region in regions.iter().filter(|&&region| region != 0) {
            let place = *places.entry(region).or_insert_with(|| {
                areas.push((region, 0));
                areas.len() - 1
            });
            areas[place].1 += 1;
        }
        if areas.len() > MOST {
            bail!(
                "it has {} regions, more than {MOST}; expected a label map or an image of flat colours. If the model \
                 is to see the picture as it is, set model.s2cpnet.masks.mode=picture",
                areas.len()
            );
        }
        let mut order: Vec<usize> = (0..areas.len()).collect();
        order.sort_by_key(|&place| std::cmp::Reverse(areas[place].1));
        let mut ranks = vec![0u16; areas.len()];
        for (&place, rank) in order.iter().zip(1..) {
            ranks[place] = rank;
        }
        let rank = |region: &u32| places.get(region).map_or(0, |&place| ranks[place]);
        Ok(Self { width, height, ranks: regions.iter().map(rank).collect() })
    }

    /// Of a picture with one colour for each object and black for the background. A gray picture is a label map.
    pub fn from_picture(picture: &RgbImage) -> Result<Self> {
        let regions: Vec<u32> =
            picture.pixels().map(|pixel| u32::from_be_bytes([0, pixel[0], pixel[1], pixel[2]])).collect();
        Self::from_regions(picture.width(), picture.height(), &regions)
    }

    /// Of masks that may overlap: the smaller lies on the larger. Ranks by the whole area of a mask, hidden parts too.
    /// No masks are background of any size, one pixel here.
    pub fn from_records(records: &[Record]) -> Result<Self> {
        let Some(first) = records.first() else { return Ok(Self { width: 1, height: 1, ranks: vec![0] }) };
        let (width, height) = (first.mask.width, first.mask.height);
        if records.len() > MOST {
            bail!("it contains {} masks, more than {MOST}", records.len());
        }
        let mut order: Vec<usize> = (0..records.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(records[index].mask.area()));
        let mut ranks = vec![0u16; width as usize * height as usize];
        for (&index, rank) in order.iter().zip(1..) {
            let mask = &records[index].mask;
            let (w, h) = (mask.width, mask.height);
            ensure!((w, h) == (width, height), "its masks differ in size: {width} x {height} and {w} x {h}");
            mask.for_each(|place| ranks[place] = rank);
        }
        Ok(Self { width, height, ranks })
    }

    /// At another size, by the nearest pixel.
    pub fn resized(&self, width: u32, height: u32) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let nearest =
            |at: u32, from: u32, to: u32| (2 * u64::from(at) + 1) * u64::from(from) / (2 * u64::from(to.max(1)));
        let mut ranks = Vec::with_capacity(width as usize * height as usize);
        for row in 0..height {
            let from = nearest(row, self.height, height) * u64::from(self.width);
            ranks.extend((0..width).map(|column| self.ranks[(from + nearest(column, self.width, width)) as usize]));
        }
        Self { width, height, ranks }
    }

    /// Number of objects.
    pub fn objects(&self) -> usize {
        usize::from(self.ranks.iter().copied().max().unwrap_or(0))
    }
}

/// The labels of a gray picture of 16 bits, of which all count; `None` for every other file.
pub(super) fn deep_labels(bytes: &[u8]) -> Option<Result<Labels>> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Tiff)) {
        return None;
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(crate::data::image::MAX_BYTES);
    reader.limits(limits);
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.decode())) {
        Ok(Ok(DynamicImage::ImageLuma16(picture))) => {
            let regions: Vec<u32> = picture.pixels().map(|pixel| u32::from(pixel[0])).collect();
            Some(Labels::from_regions(picture.width(), picture.height(), &regions))
        }
        _ => None, // any fault is named where the file is read as a picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::masks::Rle;
    use ::image::Rgb;

    #[test]
    fn ranks_go_by_falling_area_and_black_is_the_background() {
        let colours: [[u8; 3]; 6] = [[9, 0, 0], [0, 0, 0], [7, 7, 7], [7, 7, 7], [0, 0, 1], [0, 0, 0]];
        let picture = RgbImage::from_fn(3, 2, |x, y| Rgb(colours[(y * 3 + x) as usize]));
        let labels = Labels::from_picture(&picture).unwrap();
        assert_eq!(labels.ranks, [2, 0, 1, 1, 3, 0]);
        assert_eq!(labels.objects(), 3);
    }

    #[test]
    fn smaller_masks_lie_on_larger_ones() {
        let record = |counts: Vec<u32>| Record { mask: Rle::new(2, 2, counts).unwrap() };
        // The second column, and all pixels; read column by column.
        let labels = Labels::from_records(&[record(vec![2, 2]), record(vec![0, 4])]).unwrap();
        assert_eq!(labels.ranks, [1, 2, 1, 2]);
        let other = Record { mask: Rle::new(1, 4, vec![0, 4]).unwrap() };
        assert!(Labels::from_records(&[record(vec![0, 4]), other]).unwrap_err().to_string().contains("differ in size"));
        let none = Labels::from_records(&[]).unwrap();
        assert_eq!((none.objects(), none.resized(3, 2).ranks), (0, vec![0; 6]));
    }

    #[test]
    fn resizing_keeps_labels_whole() {
        let labels = Labels { width: 2, height: 1, ranks: vec![1, 2] };
        assert_eq!(labels.resized(4, 2).ranks, [1, 1, 2, 2, 1, 1, 2, 2]);
        assert_eq!(labels.resized(4, 2).resized(2, 1), labels);
    }

    #[test]
    fn photographs_are_no_label_maps() {
        let photo = RgbImage::from_fn(100, 100, |x, y| Rgb([x as u8, y as u8, 1]));
        assert!(Labels::from_picture(&photo).unwrap_err().to_string().contains("flat colours"));
    }

    #[test]
    fn deep_gray_pictures_keep_all_their_labels() {
        let picture = ::image::ImageBuffer::<::image::Luma<u16>, _>::from_fn(3, 1, |x, _| {
            ::image::Luma([[0, 300, 301][x as usize]])
        });
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageLuma16(picture).write_to(&mut bytes, ImageFormat::Png).unwrap();
        assert_eq!(deep_labels(bytes.get_ref()).unwrap().unwrap().ranks, [0, 1, 2]);
        assert!(deep_labels(b"text").is_none());
    }
}
