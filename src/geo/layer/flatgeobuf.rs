//! FlatGeobuf 3.0 (flatgeobuf.org), without its spatial index.
//!
//! Tables are written by the numbers of their fields in `header.fbs` and `feature.fbs`.

use super::gpkg::TABLE;
use super::wkb::envelope;
use super::{Feature, Field, Kind, Store, Value};
use crate::geo::Crs;
use anyhow::{Context, Result};
use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, UnionWIPOffset, VOffsetT, WIPOffset};
use std::io::Write;

const MAGIC: &[u8; 8] = b"fgb\x03fgb\0";
const POLYGON: u8 = 3;

pub(super) fn write(store: &Store, file: &mut impl Write) -> Result<()> {
    file.write_all(MAGIC)?;
    let mut builder = FlatBufferBuilder::new();
    let mut extent = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    store.each(|feature| {
        let [west, east, south, north] = envelope(&feature.ring);
        extent = [extent[0].min(west), extent[1].min(south), extent[2].max(east), extent[3].max(north)];
        Ok(())
    })?;
    header(&mut builder, store, extent)?;
    file.write_all(builder.finished_data())?;
    store.each(|of| {
        builder.reset();
        feature(&mut builder, &of)?;
        Ok(file.write_all(builder.finished_data())?)
    })
}

/// Where a table's field stands in its list of offsets.
fn slot(field: VOffsetT) -> VOffsetT {
    4 + 2 * field
}

type Table = WIPOffset<TableFinishedWIPOffset>;
type Columns = WIPOffset<UnionWIPOffset>;

fn header(builder: &mut FlatBufferBuilder, store: &Store, extent: [f64; 4]) -> Result<()> {
    let count = store.count()?;
    let columns: Vec<Table> = store.fields().iter().map(|field| column(builder, field)).collect();
    let columns: Columns = builder.create_vector(&columns).as_union_value();
    let crs = store.crs().map(|crs| system(builder, crs));
    let name = builder.create_string(TABLE);
    let envelope = (count > 0).then(|| builder.create_vector(&extent));
    let table = builder.start_table();
    builder.push_slot_always(slot(8), count);
    builder.push_slot_always(slot(0), name);
    if let Some(envelope) = envelope {
        builder.push_slot_always(slot(1), envelope);
    }
    builder.push_slot_always(slot(7), columns);
    if let Some(crs) = crs {
        builder.push_slot_always(slot(10), crs);
    }
    builder.push_slot_always(slot(9), 0u16); // no index
    builder.push_slot_always(slot(2), POLYGON);
    let table = builder.end_table(table);
    builder.finish_size_prefixed(table, None);
    Ok(())
}

fn column(builder: &mut FlatBufferBuilder, field: &Field) -> Table {
    let name = builder.create_string(&field.name);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), name);
    let kind: u8 = match field.kind {
        Kind::Integer => 7,
        Kind::Real => 10,
        Kind::Text => 11,
    };
    builder.push_slot_always(slot(1), kind);
    builder.end_table(table)
}

fn system(builder: &mut FlatBufferBuilder, crs: &Crs) -> Table {
    let (organization, name) = (builder.create_string("EPSG"), builder.create_string(crs.name()));
    let wkt = builder.create_string(crs.wkt());
    let table = builder.start_table();
    builder.push_slot_always(slot(0), organization);
    builder.push_slot_always(slot(1), i32::from(crs.epsg()));
    builder.push_slot_always(slot(2), name);
    builder.push_slot_always(slot(4), wkt);
    builder.end_table(table)
}

fn feature(builder: &mut FlatBufferBuilder, Feature { ring, values }: &Feature) -> Result<()> {
    let properties = builder.create_vector(&properties(values)?);
    let flat: Vec<f64> = ring.iter().flatten().copied().collect();
    let points = builder.create_vector(&flat);
    let geometry = builder.start_table();
    builder.push_slot_always(slot(1), points);
    let geometry = builder.end_table(geometry);
    let table = builder.start_table();
    builder.push_slot_always(slot(0), geometry);
    builder.push_slot_always(slot(1), properties);
    let table = builder.end_table(table);
    builder.finish_size_prefixed(table, None);
    Ok(())
}

/// Each known value behind the number of its column.
fn properties(values: &[Value]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if *value == Value::Null {
            continue;
        }
        bytes.extend(u16::try_from(index).context("too many fields")?.to_le_bytes());
        match value {
            Value::Integer(value) => bytes.extend(value.to_le_bytes()),
            Value::Real(value) => bytes.extend(value.to_le_bytes()),
            Value::Text(text) => {
                bytes.extend(u32::try_from(text.len()).context("a text is too long")?.to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            Value::Null => {}
        }
    }
    Ok(bytes)
}
