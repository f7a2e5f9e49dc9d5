//! One packed file of feature rows: a header that says what they are, then records that are only ever appended.
//!
//! Layout: 8 bytes of magic, a JSON header padded to [`HEADER`] bytes, then records of equal length: SHA-256 of the
//! image file (32 bytes), CRC-32 of hash and row (4), zeros (4), the row as little-endian f32. A record that was torn
//! by a kill or a full disk fails its checksum or is too short, and is never served. A damaged header costs no record:
//! it is written again by whoever appends the next one, who knows the shape of a row.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"rsicfea1";
/// Bytes before the first record.
const HEADER: usize = 1024;
/// Bytes of a record before its row.
const PREFIX: usize = 40;
/// Bytes that are read at a time where records are looked through.
const READ_AHEAD: usize = 64 << 10;

/// SHA-256 of an image file.
pub(super) type ImageHash = [u8; 32];

/// All that decides a row besides the image: rows are shared only between equal keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    pub encoder: String,
    /// SHA-256 of the weight file, or the name of the random formula.
    pub weights: String,
    pub image_size: u32,
    /// How pixels are decoded, resized and normalised.
    pub preprocessing: String,
    /// `pooled` or `grid`.
    pub kind: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)] // a damaged name of the checksum is no file without one
struct Header {
    key: Key,
    /// Shape of a row.
    shape: Vec<i64>,
    /// CRC-32 of key and shape; none in files of earlier versions.
    #[serde(default)]
    crc: Option<u32>,
}

impl Header {
    fn new(key: &Key, shape: &[i64]) -> Result<Self> {
        let crc = Some(crc32fast::hash(&serde_json::to_vec(&(key, shape))?));
        Ok(Self { key: key.clone(), shape: shape.to_vec(), crc })
    }

    fn is_sound(&self) -> bool {
        let positive = self.shape.iter().all(|&side| side > 0);
        positive && (self.crc.is_none() || Self::new(&self.key, &self.shape).is_ok_and(|new| new.crc == self.crc))
    }
}

/// What the first bytes of a file say.
enum Start {
    /// Rows of the key that is asked for, of this shape.
    Ours(Vec<i64>),
    /// Rows of another key.
    Other,
    /// Nothing that can be understood.
    Damaged,
}

/// The rows of a file, ready to read. They stay on the disk, and what of it is in memory is the system's to keep: the
/// views of a large dataset would fill it.
#[derive(Debug)]
pub(super) struct Rows {
    file: File,
    path: PathBuf,
    pub shape: Vec<i64>,
    /// Where each row begins.
    places: BTreeMap<ImageHash, u64>,
}

impl Rows {
    pub(super) fn contains(&self, hash: &ImageHash) -> bool {
        self.places.contains_key(hash)
    }

    /// Reads the row of an image into `row`, which is [`row_bytes`] long.
    pub(super) fn read(&self, hash: &ImageHash, row: &mut [u8]) -> Result<()> {
        let start = self.places.get(hash).context("not in the feature cache")?;
        let context = || format!("cannot read the feature cache '{}'", self.path.display());
        self.file.read_exact_at(row, *start).with_context(context)
    }
}

/// Length of a row of that shape.
pub(super) fn row_bytes(shape: &[i64]) -> usize {
    shape.iter().product::<i64>().max(0) as usize * size_of::<f32>()
}

fn stride(shape: &[i64]) -> usize {
    PREFIX + row_bytes(shape)
}

fn header_bytes(key: &Key, shape: &[i64]) -> Result<Vec<u8>> {
    let header = serde_json::to_vec(&Header::new(key, shape)?)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(header);
    if bytes.len() >= HEADER {
        bail!("the feature description is too long for the cache: {} bytes", bytes.len());
    }
    bytes.resize(HEADER - 1, b' ');
    bytes.push(b'\n');
    Ok(bytes)
}

fn read_header(bytes: &[u8], key: &Key) -> Start {
    let text = bytes.get(..HEADER).and_then(|start| start.strip_prefix(MAGIC));
    let header = text.and_then(|text| serde_json::from_slice(text).ok()).filter(Header::is_sound);
    match header {
        Some(header) if header.key == *key => Start::Ours(header.shape),
        Some(_) => Start::Other,
        None => Start::Damaged,
    }
}

fn checksum(hash: &[u8], row: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(hash);
    hasher.update(row);
    hasher.finalize().to_le_bytes()
}

/// The sound records of the `wanted` images; `None` where there is no file that can be read, or none with the header of
/// `key`.
///
/// Of the others, which may be those of much larger datasets, only the hash is read.
pub(super) fn read(path: &Path, key: &Key, wanted: &BTreeSet<ImageHash>) -> Result<Option<Rows>> {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    let context = || format!("cannot read the feature cache '{}'", path.display());
    let file = match File::open(path) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => return Ok(None),
        file => file.with_context(context)?,
    };
    let length = file.metadata().with_context(context)?.len();
    let mut reader = BufReader::with_capacity(READ_AHEAD, &file);
    let mut start = Vec::new();
    reader.by_ref().take(HEADER as u64).read_to_end(&mut start).with_context(context)?;
    let Start::Ours(shape) = read_header(&start, key) else { return Ok(None) };
    let places = sound(&mut reader, length, &shape, wanted).with_context(context)?;
    Ok(Some(Rows { file, path: path.to_owned(), shape, places }))
}

/// Where the rows of the sound records of `wanted` images begin; the reader stands behind the header.
fn sound(
    reader: &mut BufReader<&File>,
    length: u64,
    shape: &[i64],
    wanted: &BTreeSet<ImageHash>,
) -> std::io::Result<BTreeMap<ImageHash, u64>> {
    let (mut places, mut row) = (BTreeMap::new(), vec![0; row_bytes(shape)]);
    let stride = stride(shape) as u64;
    let records = length.saturating_sub(HEADER as u64) / stride;
    for index in 0..records {
        let (mut hash, mut rest) = (ImageHash::default(), [0; PREFIX - size_of::<ImageHash>()]);
        reader.read_exact(&mut hash)?;
        reader.read_exact(&mut rest)?;
        if !wanted.contains(&hash) || places.contains_key(&hash) {
            reader.seek_relative(row.len() as i64)?;
            continue;
        }
        reader.read_exact(&mut row)?;
        if rest.starts_with(&checksum(&hash, &row)) {
            places.insert(hash, HEADER as u64 + index * stride + PREFIX as u64);
        }
    }
    Ok(places)
}

/// The only process that may append to a file, while this value lives.
#[derive(Debug)]
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    key: Key,
    shape: Option<Vec<i64>>,
    /// Whether there may be records behind a damaged header.
    damaged: bool,
}

impl Writer {
    /// Waits until no other process writes to the file; `waiting` is called once if one does. Cuts off a torn tail, and
    /// empties a file that is of another key than `key`.
    pub(super) fn lock(path: &Path, key: &Key, waiting: impl FnOnce()) -> Result<Self> {
        let context = || format!("cannot write the feature cache '{}'", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(context)?;
        }
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).with_context(context)?;
        if file.try_lock().is_err() {
            waiting();
            file.lock().with_context(context)?;
        }
        let mut start = Vec::new();
        Read::take(&mut file, HEADER as u64).read_to_end(&mut start).with_context(context)?;
        let length = file.metadata().with_context(context)?.len();
        let (shape, damaged) = match read_header(&start, key) {
            Start::Ours(shape) => (Some(shape), false),
            Start::Other => (None, false),
            Start::Damaged => (None, length > HEADER as u64),
        };
        let mut writer = Self { file, path: path.to_owned(), key: key.clone(), shape: None, damaged };
        match shape {
            _ if damaged => {}
            Some(shape) => writer.cut(&shape)?,
            None => writer.file.set_len(0).with_context(context)?,
        }
        writer.file.seek(SeekFrom::End(0)).with_context(context)?;
        Ok(writer)
    }

    /// Whether the first row that is appended will bring back others, behind a damaged header.
    pub(super) fn mends(&self) -> bool {
        self.damaged
    }

    /// Cuts off a torn tail; from now on rows are of this shape.
    fn cut(&mut self, shape: &[i64]) -> Result<()> {
        let context = || format!("cannot write the feature cache '{}'", self.path.display());
        let length = self.file.metadata().with_context(context)?.len();
        let torn = length.saturating_sub(HEADER as u64) % stride(shape) as u64;
        if torn > 0 {
            self.file.set_len(length - torn).with_context(context)?;
        }
        self.shape = Some(shape.to_vec());
        Ok(())
    }

    /// Writes a damaged header again.
    fn mend(&mut self, shape: &[i64]) -> Result<()> {
        let path = self.path.clone();
        let context = || format!("cannot write the feature cache '{}'", path.display());
        let header = header_bytes(&self.key, shape)?;
        self.file.seek(SeekFrom::Start(0)).with_context(context)?;
        self.file.write_all(&header).with_context(context)?;
        self.cut(shape)?;
        self.file.seek(SeekFrom::End(0)).with_context(context)?;
        self.damaged = false;
        Ok(())
    }

    /// Appends rows of one shape; all of them, or none and an error.
    pub(super) fn append<'a>(
        &mut self,
        shape: &[i64],
        rows: impl IntoIterator<Item = (&'a ImageHash, &'a [u8])>,
    ) -> Result<()> {
        if self.damaged {
            self.mend(shape)?;
        }
        let mut bytes = Vec::new();
        match &self.shape {
            None => bytes = header_bytes(&self.key, shape)?,
            Some(known) if known == shape => {}
            Some(known) => bail!("'{}' holds rows of shape {known:?}, not {shape:?}", self.path.display()),
        }
        for (hash, row) in rows {
            debug_assert_eq!(row.len(), row_bytes(shape));
            bytes.extend_from_slice(hash);
            bytes.extend_from_slice(&checksum(hash, row));
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(row);
        }
        let before = self.file.stream_position()?;
        if let Err(error) = self.file.write_all(&bytes) {
            // What was written of the batch is torn: leave the file as it was.
            let _ = self.file.set_len(before);
            return Err(error).with_context(|| format!("cannot write the feature cache '{}'", self.path.display()));
        }
        self.shape = Some(shape.to_vec());
        Ok(())
    }

    /// Waits until everything is on the disk.
    pub(super) fn finish(self) -> Result<()> {
        self.file.sync_data().with_context(|| format!("cannot write the feature cache '{}'", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(weights: &str) -> Key {
        Key {
            encoder: "resnet50".into(),
            weights: weights.into(),
            image_size: 224,
            preprocessing: "p".into(),
            kind: "pooled".into(),
        }
    }

    fn load(path: &Path, key: &Key) -> Result<Option<Rows>> {
        read(path, key, &(0..10).map(|hash| [hash; 32]).collect())
    }

    fn append(path: &Path, key: &Key, hashes: &[u8]) {
        let mut writer = Writer::lock(path, key, || {}).unwrap();
        for &hash in hashes {
            let row = [f32::from(hash).to_le_bytes(), 1f32.to_le_bytes()].concat();
            writer.append(&[2], [(&[hash; 32], row.as_slice())]).unwrap();
        }
        writer.finish().unwrap();
    }

    fn first(rows: &Rows, hash: u8) -> Option<f32> {
        let mut row = vec![0; row_bytes(&rows.shape)];
        rows.read(&[hash; 32], &mut row).ok()?;
        Some(f32::from_le_bytes(row[..4].try_into().unwrap()))
    }

    #[test]
    fn rows_come_back_by_image_and_more_can_follow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/f");
        assert!(load(&path, &key("a")).unwrap().is_none());
        append(&path, &key("a"), &[1, 2]);
        append(&path, &key("a"), &[3]);
        let rows = load(&path, &key("a")).unwrap().unwrap();
        assert_eq!([1, 2, 3, 4].map(|hash| first(&rows, hash)), [Some(1.0), Some(2.0), Some(3.0), None]);
    }

    #[test]
    fn a_file_cut_at_any_byte_serves_only_whole_rows_and_can_be_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        append(&path, &key("a"), &[1, 2]);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let served = load(&path, &key("a")).unwrap();
            let complete = cut.saturating_sub(HEADER) / 48;
            assert_eq!(served.map_or(0, |rows| rows.places.len()), complete, "cut at {cut}");
            append(&path, &key("a"), &[9]);
            let rows = load(&path, &key("a")).unwrap().unwrap();
            assert_eq!((rows.places.len(), first(&rows, 9)), (complete + 1, Some(9.0)), "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_makes_its_row_absent_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        append(&path, &key("a"), &[1, 2, 3]);
        let whole = fs::read(&path).unwrap();
        for place in HEADER + 48..HEADER + 96 {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let rows = load(&path, &key("a")).unwrap().unwrap();
            assert_eq!((first(&rows, 1), first(&rows, 3)), (Some(1.0), Some(3.0)));
            let padding = (HEADER + 48 + 36..HEADER + 48 + 40).contains(&place);
            assert_eq!(first(&rows, 2).is_some(), padding, "byte {place}");
        }
    }

    #[test]
    fn a_damaged_header_costs_no_row_but_the_one_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        append(&path, &key("a"), &[1, 2, 3]);
        let whole = fs::read(&path).unwrap();
        let text = whole[..HEADER].iter().rposition(|&byte| byte == b'}').unwrap();
        for place in 0..text {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(load(&path, &key("a")).unwrap().is_none(), "byte {place}");
            append(&path, &key("a"), &[4]);
            let rows = load(&path, &key("a")).unwrap().unwrap();
            assert_eq!([1, 2, 3, 4].map(|hash| first(&rows, hash)), [1.0, 2.0, 3.0, 4.0].map(Some), "byte {place}");
        }
    }

    #[test]
    fn rows_of_another_key_are_never_served() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        append(&path, &key("a"), &[1]);
        assert!(load(&path, &key("b")).unwrap().is_none());
        append(&path, &key("b"), &[2]);
        assert_eq!(load(&path, &key("b")).unwrap().unwrap().places.len(), 1);
    }

    #[test]
    fn a_second_writer_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let first = Writer::lock(&path, &key("a"), || {}).unwrap();
        let waited = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let flag = || waited.store(true, std::sync::atomic::Ordering::SeqCst);
                Writer::lock(&path, &key("a"), flag).unwrap();
            });
            while !waited.load(std::sync::atomic::Ordering::SeqCst) {
                std::thread::yield_now();
            }
            drop(first);
        });
    }
}
