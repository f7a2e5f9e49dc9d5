//! Chunks of a picture as they are asked for, the last used kept: windows side by side share them.

use super::chunk::{Chunk, unpack};
use super::layout::Layout;
use super::source::Source;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub(super) struct Chunks {
    pub(super) layout: Layout,
    source: Arc<Source>,
    kept: Mutex<Kept>,
    limit: u64,
    largest: u64,
}

#[derive(Debug, Default)]
struct Kept {
    chunks: BTreeMap<usize, (u64, Arc<Chunk>)>,
    bytes: u64,
    used: u64,
}

impl Chunks {
    /// `limit` bytes are kept, and no chunk of more than `largest` is unpacked.
    pub(super) fn new(layout: Layout, source: Arc<Source>, limit: u64, largest: u64) -> Self {
        Self { layout, source, kept: Mutex::default(), limit, largest }
    }

    /// A picture that is there already, as its only chunk.
    pub(super) fn whole(layout: Layout, chunk: Chunk) -> Self {
        let chunks = BTreeMap::from([(0, (0, Arc::new(chunk)))]);
        let kept = Mutex::new(Kept { chunks, ..Kept::default() });
        Self { layout, source: Arc::new(Source::Memory(Vec::new())), kept, limit: u64::MAX, largest: u64::MAX }
    }

    /// The chunk in that row and column of a plane; `None` where the file leaves it out.
    pub(super) fn get(&self, column: u32, row: u32, plane: usize) -> Result<Option<Arc<Chunk>>> {
        let (across, down) = (self.layout.across() as usize, self.layout.down() as usize);
        let index = (plane * down + row as usize) * across + column as usize;
        if let Some(chunk) = self.kept(index) {
            return Ok(Some(chunk));
        }
        let (at, length) =
            *self.layout.chunks.get(index).ok_or_else(|| anyhow!("is damaged: a chunk is not listed"))?;
        if at == 0 || length == 0 {
            return Ok(None);
        }
        let rows = self.layout.rows(row);
        let unpacked = self.layout.row_bytes().saturating_mul(u64::from(rows));
        if unpacked > self.largest {
            bail!(
                "has chunks of {} MiB, more than the {} MiB that may be used; tile it, as with gdal_translate -co \
                TILED=YES",
                unpacked >> 20,
                self.largest >> 20
            );
        }
        let chunk = Arc::new(unpack(&self.layout, &self.source.read(at, length)?, rows)?);
        self.keep(index, &chunk);
        Ok(Some(chunk))
    }

    fn kept(&self, index: usize) -> Option<Arc<Chunk>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.used += 1;
        let now = kept.used;
        let (used, chunk) = kept.chunks.get_mut(&index)?;
        *used = now;
        Some(chunk.clone())
    }

    fn keep(&self, index: usize, chunk: &Arc<Chunk>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = kept.used;
        kept.bytes += chunk.bytes.len() as u64;
        if let Some((_, before)) = kept.chunks.insert(index, (now, chunk.clone())) {
            kept.bytes -= before.bytes.len() as u64;
        }
        while kept.bytes > self.limit && kept.chunks.len() > 1 {
            let Some(oldest) = kept.chunks.iter().min_by_key(|(_, (used, _))| *used).map(|(index, _)| *index) else {
                break;
            };
            if let Some((_, chunk)) = kept.chunks.remove(&oldest) {
                kept.bytes -= chunk.bytes.len() as u64;
            }
        }
    }
}
