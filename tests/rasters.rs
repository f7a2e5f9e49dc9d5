//! Pictures of many kinds, against what rasterio reads of them (`tests/golden/rasters.py` made the files).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rsic::data::DataConfig;
use rsic::data::image::raster::{Limits, Raster, Stretch, Window, to_rgb8};
use rsic::data::image::{Reading, decode_file, decode_file_as};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Read;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Case {
    name: String,
    bands: usize,
    kind: String,
    nodata: Option<String>,
    lossy: bool,
    sha256: String,
    mask: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rasters")
}

fn cases() -> Vec<Case> {
    serde_json::from_str(&fs::read_to_string(folder().join("rasters.json")).unwrap()).unwrap()
}

fn open(name: &str) -> Raster {
    Raster::open(&folder().join(format!("{name}.tif")), Limits::default()).unwrap()
}

fn all(raster: &Raster) -> Window {
    let bands: Vec<usize> = (0..raster.bands).collect();
    raster.read_window(0, 0, raster.width, raster.height, &bands).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn floats(window: &Window) -> Vec<u8> {
    window.values.iter().flatten().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn thirty_kinds_of_tiff_are_read_as_rasterio_reads_them() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 30);
    for case in &cases {
        let raster = open(&case.name);
        assert_eq!(raster.bands, case.bands, "{}", case.name);
        if !case.name.starts_with("palette") && !case.name.starts_with("bits") && case.name != "float16" {
            assert_eq!(raster.kind.name(), case.kind, "{}", case.name);
        }
        let expected = case.nodata.as_ref().map(|text| text.parse::<f64>().unwrap().to_bits());
        assert_eq!(raster.nodata.map(f64::to_bits), expected, "{}", case.name);
        let mut window = all(&raster);
        if case.name == "white_is_zero" {
            // rasterio hands on what is stored; here 0 is black.
            window.values[0].iter_mut().for_each(|value| *value = 255.0 - *value);
        }
        if case.lossy {
            let (largest, mean) = difference(&case.name, &window);
            println!("{}: at most {largest} levels, {mean:.3} on average", case.name);
            if largest > 6.0 || mean > 0.6 {
                wrong.push(format!("{}: {largest} levels, {mean}", case.name));
            }
        } else if hex(&floats(&window)) != case.sha256 {
            wrong.push(format!("{}: values", case.name));
        }
        let mask: Vec<u8> = window.valid.iter().map(|valid| u8::from(*valid)).collect();
        if hex(&mask) != case.mask {
            wrong.push(format!("{}: mask", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The largest and the mean difference to the stored values.
fn difference(name: &str, window: &Window) -> (f32, f32) {
    let packed = fs::File::open(folder().join(format!("{name}.f32.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let expected = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let differences: Vec<f32> = window.values.iter().flatten().zip(expected).map(|(a, b)| (a - b).abs()).collect();
    (differences.iter().copied().fold(0.0, f32::max), differences.iter().sum::<f32>() / differences.len() as f32)
}

#[test]
fn windows_are_parts_of_the_whole() {
    for name in ["uint16_4_nodata", "uint16_planar_big_endian", "rgb8_lzw", "palette4", "sparse", "rgb8_jpeg_mask"] {
        let raster = open(name);
        let whole = all(&raster);
        let bands: Vec<usize> = (0..raster.bands).collect();
        for (x, y, width, height) in [(0, 0, 1, 1), (15, 15, 18, 20), (44, 36, 1, 1), (3, 9, 42, 11)] {
            let part = raster.read_window(x, y, width, height, &bands).unwrap();
            for row in 0..height {
                let from = ((y + row) * raster.width + x) as usize;
                let to = (row * width) as usize;
                let width = width as usize;
                assert_eq!(part.valid[to..to + width], whole.valid[from..from + width], "{name}");
                for (part, whole) in part.values.iter().zip(&whole.values) {
                    assert_eq!(part[to..to + width], whole[from..from + width], "{name}");
                }
            }
        }
        let beyond = raster.read_window(40, 0, 6, 1, &bands).unwrap_err().to_string();
        assert_eq!(beyond, "has 45x37 pixels: no window of 6x1 at 40, 0");
    }
    let error = open("rgb8_lzw").read_window(0, 0, 1, 1, &[3]).unwrap_err().to_string();
    assert_eq!(error, "has 3 bands: no band 4");
}

#[test]
fn georeference_is_handed_on_as_it_stands() {
    let georeference = open("uint16_4_nodata").georeference;
    assert_eq!(georeference.pixel_scale, [0.5, 0.5, 0.0]);
    assert_eq!(georeference.tie_points, [0.0, 0.0, 0.0, 500_000.0, 4_000_000.0, 0.0]);
    assert_eq!(georeference.gdal_nodata.as_deref(), Some("0"));
    let projected = georeference.keys.chunks(4).find(|key| key[0] == 3072).unwrap();
    assert_eq!(projected[3], 32650);
    assert!(georeference.ascii.contains("UTM zone 50N"));
}

#[test]
fn sixteen_bits_become_eight_by_the_stretch() {
    let raster = open("uint16_4_nodata");
    let bands = raster.colour_bands();
    let shown = |text: &str| {
        let scale = text.parse::<Stretch>().unwrap().scale(&raster, &bands).unwrap();
        to_rgb8(&raster.read_window(0, 0, 45, 37, &bands).unwrap(), &scale).unwrap()
    };
    let brightest = |text: &str| shown(text).into_raw().into_iter().max().unwrap();
    assert!(brightest("none") <= 39, "the upper eight bits of 10000");
    assert_eq!((brightest("percent"), brightest("auto"), brightest("0-10000")), (255, 255, 255));
    assert_eq!(shown("auto"), shown("2%-98%"));
    assert_eq!(shown("auto").get_pixel(6, 12).0, [0; 3], "nothing was seen here");
    let narrow = Stretch::Range(100.0, 200.0).scale(&raster, &bands).unwrap();
    assert_eq!(narrow.0, [(100.0, 200.0); 3]);
}

#[test]
fn stretches_are_written_and_read() {
    for text in ["auto", "none", "percent", "1%-99%", "0-10000", "-5-0.5"] {
        assert_eq!(text.parse::<Stretch>().unwrap().to_string(), text);
    }
    assert_eq!("-20--5".parse::<Stretch>().unwrap(), Stretch::Range(-20.0, -5.0));
    for text in ["", "5", "9-3", "a-b", "0%-101%", "1%-5", "nan-1"] {
        assert!(text.parse::<Stretch>().unwrap_err().contains("is no stretch"), "{text}");
    }
}

#[test]
fn damaged_files_give_errors_and_never_panics() {
    let mut rng = rsic::util::rng::Rng::new(&[29]);
    for name in ["rgb8_jpeg_ycbcr", "uint16_12_zstd", "palette4", "float32_predictor", "sparse", "rgb8_planar_deflate"]
    {
        let whole = fs::read(folder().join(format!("{name}.tif"))).unwrap();
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..1 + rng.below(6) {
                let end = if rng.chance(0.7) { 600.min(bytes.len()) } else { bytes.len() };
                let at = rng.below(end);
                bytes[at] = rng.next_u64() as u8;
            }
            if rng.chance(0.3) {
                bytes.truncate(rng.below(whole.len()));
            }
            let limits = Limits { bytes: 1 << 24, cache: 1 << 20 };
            let Ok(raster) = Raster::of_bytes(bytes, limits) else { continue };
            let (width, height) = (raster.width.min(64), raster.height.min(64));
            let _ = raster.read_window(0, 0, width, height, &raster.colour_bands());
        }
    }
}

#[test]
fn other_formats_are_pictures_too_and_jpeg_2000_is_named() {
    let image = image::RgbImage::from_fn(20, 10, |x, y| image::Rgb([x as u8 * 9, y as u8 * 20, 7]));
    for format in [image::ImageFormat::Png, image::ImageFormat::Bmp, image::ImageFormat::WebP] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        let raster = Raster::of_bytes(bytes.into_inner(), Limits::default()).unwrap();
        let bands = raster.colour_bands();
        let scale = Stretch::Auto.scale(&raster, &bands).unwrap();
        assert_eq!(to_rgb8(&all(&raster), &scale).unwrap(), image, "{format:?}");
    }
    let error = Raster::of_bytes(b"\0\0\0\x0cjP  \r\n\x87\n____".to_vec(), Limits::default()).unwrap_err();
    assert!(error.to_string().contains("JPEG 2000, which is not read"), "{error}");
}

#[test]
fn training_images_are_read_by_the_bands_and_the_stretch_of_the_settings() {
    let path = folder().join("uint16_4_nodata.tif");
    let decode = |bands: &[usize], stretch: &str| {
        decode_file_as(&path, &Reading { bands: bands.to_vec(), stretch: stretch.parse().unwrap() })
    };
    let plain = decode(&[1, 2, 3], "0-10000").unwrap();
    let swapped = decode(&[3, 2, 1], "0-10000").unwrap();
    assert!(plain.pixels().zip(swapped.pixels()).all(|(a, b)| [a.0[2], a.0[1], a.0[0]] == b.0));
    let gray = decode(&[4], "0-10000").unwrap();
    assert!(gray.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]));
    assert_eq!(decode_file(&path).unwrap(), decode(&[], "percent").unwrap());
    let error = decode(&[5], "none").unwrap_err().to_string();
    assert!(error.ends_with("uint16_4_nodata.tif' has 4 bands: no band 5"), "{error}");
}

#[test]
fn bands_and_stretch_are_settings_that_leave_experiments_without_them_as_they_are() {
    let mut config = DataConfig::of_folder("scenes");
    let text = serde_yaml::to_string(&config).unwrap();
    assert!(!text.contains("bands") && !text.contains("stretch") && !text.contains("limit"), "{text}");
    (config.bands, config.stretch) = (vec![4, 3, 2], Stretch::Range(0.0, 10000.0));
    let text = serde_yaml::to_string(&config).unwrap();
    assert!(text.contains("stretch: 0-10000"), "{text}");
    assert_eq!(serde_yaml::from_str::<DataConfig>(&text).unwrap(), config);
}

#[test]
#[ignore = "measures: RSIC_SCENE names a large scene, RSIC_THREADS the threads"]
fn speed_and_memory_of_tiles_of_a_large_scene() {
    let path = PathBuf::from(std::env::var("RSIC_SCENE").unwrap());
    let threads: u32 = std::env::var("RSIC_THREADS").map_or(1, |text| text.parse().unwrap());
    let raster = Raster::open(&path, Limits::default()).unwrap();
    let bands = raster.colour_bands();
    let start = std::time::Instant::now();
    let scale = Stretch::Auto.scale(&raster, &bands).unwrap();
    println!("scale {:?} in {:.2} s", scale.0, start.elapsed().as_secs_f64());
    let (start, side) = (std::time::Instant::now(), 224);
    let (across, down) = (raster.width / side, raster.height / side);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (raster, bands, scale) = (&raster, &bands, &scale);
            scope.spawn(move || {
                for tile in (0..across * down).filter(|tile| tile / across % threads == thread) {
                    let (x, y) = (tile % across * side, tile / across * side);
                    to_rgb8(&raster.read_window(x, y, side, side, bands).unwrap(), scale).unwrap();
                }
            });
        }
    });
    let (seconds, tiles) = (start.elapsed().as_secs_f64(), f64::from(across * down));
    let sample = usize::from(raster.kind.bits() / 8) * bands.len();
    let megabytes = tiles * f64::from(side * side) * sample as f64 / 1e6;
    println!("{tiles} tiles in {seconds:.1} s: {:.0} tiles/s, {:.0} MB/s", tiles / seconds, megabytes / seconds);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
}
