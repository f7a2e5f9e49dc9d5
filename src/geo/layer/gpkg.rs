//! GeoPackage (OGC 12-128r19): a layer of polygons in an SQLite file, with a spatial index and QGIS's labels.

use super::style::{QML, SLD};
use super::wkb::{decode, encode, envelope};
use super::{Feature, Field, Kind, Layer, Value};
use crate::geo::Crs;
use anyhow::{Context, Result, bail};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, ToSql, params, params_from_iter};
use std::path::{Path, PathBuf};

/// Name of the table, and of the layer in every format.
pub(super) const TABLE: &str = "captions";
/// The identifier of a system of pixels, which lies nowhere.
const NOWHERE: i64 = -1;
/// The metadata that says how the layer was made, and how far.
const MADE: &str = "urn:rsic:made";
const DONE: &str = "urn:rsic:done";

const TABLES: &str = r#"
PRAGMA application_id = 0x47504B47;
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
    description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,
    definition TEXT NOT NULL, scope TEXT NOT NULL,
    CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
CREATE TABLE gpkg_metadata (id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL,
    md_scope TEXT NOT NULL DEFAULT 'dataset', md_standard_uri TEXT NOT NULL,
    mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
CREATE TABLE gpkg_metadata_reference (reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT,
    row_id_value INTEGER, timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    md_file_id INTEGER NOT NULL, md_parent_id INTEGER,
    CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id),
    CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id));
CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT, f_table_schema TEXT,
    f_table_name TEXT, f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN,
    description TEXT, owner TEXT, ui TEXT, update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')));
INSERT INTO gpkg_spatial_ref_sys VALUES
    ('Undefined Cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined Cartesian coordinate reference system'),
    ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic coordinate reference system');
INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', 'layer_styles');
INSERT INTO gpkg_extensions VALUES
    ('gpkg_metadata', NULL, 'gpkg_metadata', 'http://www.geopackage.org/spec121/#extension_metadata', 'read-write'),
    ('gpkg_metadata_reference', NULL, 'gpkg_metadata',
        'http://www.geopackage.org/spec121/#extension_metadata', 'read-write'),
    ('captions', 'geom', 'gpkg_rtree_index', 'http://www.geopackage.org/spec120/#extension_rtree', 'write-only');
CREATE VIRTUAL TABLE rtree_captions_geom USING rtree(id, minx, maxx, miny, maxy);
"#;

/// A layer in a GeoPackage.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    fields: Vec<Field>,
    crs: Option<Crs>,
    /// How far it was when this process last wrote or opened it: no other may write meanwhile.
    before: u64,
}

impl Store {
    /// Opens the layer in `path` to go on with it, or begins it.
    ///
    /// Errors: a layer that was made in another way.
    pub fn begin(path: &Path, layer: &Layer) -> Result<Self> {
        let context = || format!("cannot write '{}'", path.display());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).with_context(context)?;
        }
        let connection = Connection::open(path).with_context(context)?;
        let mut store =
            Self { connection, path: path.to_owned(), fields: layer.fields.clone(), crs: layer.crs.clone(), before: 0 };
        let tables = store.connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
        let tables = tables.with_context(context)?;
        if tables == 0 {
            store.create(layer).with_context(context)?;
            return Ok(store);
        }
        let known = store.metadata(MADE).with_context(|| format!("'{}' is no layer of captions", path.display()))?;
        if known != made(layer) {
            bail!(
                "'{}' was begun by a command with other settings, model or scenes; repeat that command, or remove the \
                file to begin anew",
                path.display()
            );
        }
        store.before = store.done()?;
        Ok(store)
    }

    /// Opens a finished layer.
    pub fn open(path: &Path) -> Result<(Self, Layer)> {
        let read = || -> Result<(Self, Layer)> {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut store = Self { connection, path: path.to_owned(), fields: Vec::new(), crs: None, before: 0 };
            let text = store.metadata(MADE).context("it is no layer of captions")?;
            let (epsg, fields, made): (Option<u16>, Vec<Field>, serde_json::Value) =
                serde_json::from_str(&text).map_err(crate::util::json::error)?;
            store.crs = epsg.map(Crs::from_epsg).transpose()?;
            store.fields = fields;
            let layer = Layer { crs: store.crs.clone(), fields: store.fields.clone(), made };
            Ok((store, layer))
        };
        read().with_context(|| format!("cannot read '{}'", path.display()))
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn crs(&self) -> Option<&Crs> {
        self.crs.as_ref()
    }

    /// How far its maker said that it was: 0 at first.
    pub fn done(&self) -> Result<u64> {
        self.metadata(DONE)?.parse().with_context(|| format!("'{}' is damaged", self.path.display()))
    }

    /// Number of tiles.
    pub fn count(&self) -> Result<u64> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM captions", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Adds tiles and notes how far the work is: both, or neither.
    pub fn append(&mut self, features: &[Feature], done: u64) -> Result<()> {
        let srs = srs_id(self.crs.as_ref());
        let names = self.fields.iter().map(|field| format!(", \"{}\"", field.name)).collect::<String>();
        let places = ", ?".repeat(self.fields.len());
        let path = self.path.clone();
        let context = || format!("cannot write '{}'", path.display());
        let before = self.before;
        let mut add = || -> Result<()> {
            let transaction = self.connection.transaction()?;
            {
                let mut insert =
                    transaction.prepare_cached(&format!("INSERT INTO captions (geom{names}) VALUES (?{places})"))?;
                let mut index = transaction.prepare_cached("INSERT INTO rtree_captions_geom VALUES (?, ?, ?, ?, ?)")?;
                for Feature { ring, values } in features {
                    let geometry = encode(ring, srs);
                    let values = values.iter().map(|value| value as &dyn ToSql);
                    insert.execute(params_from_iter(std::iter::once(&geometry as &dyn ToSql).chain(values)))?;
                    let [west, east, south, north] = envelope(ring);
                    index.execute(params![transaction.last_insert_rowid(), west, east, south, north])?;
                }
            }
            let update = "UPDATE gpkg_metadata SET metadata = ?1 WHERE md_standard_uri = ?2 AND metadata = ?3";
            if transaction.execute(update, params![done.to_string(), DONE, before.to_string()])? == 0 {
                bail!("another process writes it");
            }
            Ok(transaction.commit()?)
        };
        add().with_context(context)?;
        self.before = done;
        Ok(())
    }

    /// Hands over the tiles in the order in which they were added.
    pub fn each(&self, mut take: impl FnMut(Feature) -> Result<()>) -> Result<()> {
        let context = || format!("cannot read '{}'", self.path.display());
        let names = self.fields.iter().map(|field| format!(", \"{}\"", field.name)).collect::<String>();
        let mut query = self.connection.prepare(&format!("SELECT geom{names} FROM captions ORDER BY fid"))?;
        let mut rows = query.query([]).with_context(context)?;
        while let Some(row) = rows.next().with_context(context)? {
            take(feature(row, self.fields.len()).with_context(context)?)?;
        }
        Ok(())
    }

    /// Says where the layer lies, keeps its index up to date from here on, and closes the file.
    pub fn finish(self) -> Result<()> {
        let context = || format!("cannot write '{}'", self.path.display());
        self.connection.execute_batch(FINISH).with_context(context)?;
        self.connection.close().map_err(|(_, error)| error).with_context(context)
    }

    fn create(&mut self, layer: &Layer) -> Result<()> {
        let columns = self.fields.iter().map(|field| format!(", \"{}\" {}", field.name, sql(field.kind)));
        let columns: String = columns.collect();
        let srs = srs_id(self.crs.as_ref());
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        for code in [Some(Crs::WGS84), layer.crs.as_ref().map(Crs::epsg)].into_iter().flatten() {
            let crs = Crs::from_epsg(code)?;
            transaction.execute(
                "INSERT OR IGNORE INTO gpkg_spatial_ref_sys VALUES (?, ?, 'EPSG', ?, ?, NULL)",
                params![crs.name(), code, code, crs.wkt()],
            )?;
        }
        transaction.execute_batch(&format!(
            "CREATE TABLE captions (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POLYGON{columns});
            INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id)
                VALUES ('captions', 'features', 'captions', {srs});
            INSERT INTO gpkg_geometry_columns VALUES ('captions', 'geom', 'POLYGON', {srs}, 0, 0);"
        ))?;
        transaction.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName,
            styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, 'geom', ?, ?, ?, 1, '', '')",
            params![TABLE, TABLE, QML, SLD],
        )?;
        for (about, text) in [(MADE, made(layer)), (DONE, "0".to_owned())] {
            transaction.execute(
                "INSERT INTO gpkg_metadata (md_standard_uri, mime_type, metadata) VALUES (?, 'application/json', ?)",
                params![about, text],
            )?;
        }
        transaction.execute(
            "INSERT INTO gpkg_metadata_reference (reference_scope, md_file_id)
            SELECT 'geopackage', id FROM gpkg_metadata",
            [],
        )?;
        Ok(transaction.commit()?)
    }

    fn metadata(&self, about: &str) -> Result<String> {
        let query = "SELECT metadata FROM gpkg_metadata WHERE md_standard_uri = ?";
        Ok(self.connection.query_row(query, [about], |row| row.get(0))?)
    }
}

/// Where the layer lies, and what keeps the spatial index up to date when others change the layer.
const FINISH: &str = r#"
UPDATE gpkg_contents SET min_x = (SELECT min(minx) FROM rtree_captions_geom),
    min_y = (SELECT min(miny) FROM rtree_captions_geom), max_x = (SELECT max(maxx) FROM rtree_captions_geom),
    max_y = (SELECT max(maxy) FROM rtree_captions_geom), last_change = strftime('%Y-%m-%dT%H:%M:%fZ','now')
    WHERE table_name = 'captions';
CREATE TRIGGER IF NOT EXISTS rtree_captions_geom_insert AFTER INSERT ON captions
    WHEN (new.geom NOT NULL AND NOT ST_IsEmpty(new.geom)) BEGIN
    INSERT OR REPLACE INTO rtree_captions_geom VALUES (new.fid, ST_MinX(new.geom), ST_MaxX(new.geom),
        ST_MinY(new.geom), ST_MaxY(new.geom)); END;
CREATE TRIGGER IF NOT EXISTS rtree_captions_geom_update2 AFTER UPDATE OF geom ON captions
    WHEN old.fid = new.fid AND (new.geom ISNULL OR ST_IsEmpty(new.geom)) BEGIN
    DELETE FROM rtree_captions_geom WHERE id = old.fid; END;
CREATE TRIGGER IF NOT EXISTS rtree_captions_geom_update4 AFTER UPDATE ON captions
    WHEN old.fid != new.fid AND (new.geom ISNULL OR ST_IsEmpty(new.geom)) BEGIN
    DELETE FROM rtree_captions_geom WHERE id IN (old.fid, new.fid); END;
CREATE TRIGGER IF NOT EXISTS rtree_captions_geom_update5 AFTER UPDATE ON captions
    WHEN old.fid != new.fid AND (new.geom NOTNULL AND NOT ST_IsEmpty(new.geom)) BEGIN
    DELETE FROM rtree_captions_geom WHERE id = old.fid;
    INSERT OR REPLACE INTO rtree_captions_geom VALUES (new.fid, ST_MinX(new.geom), ST_MaxX(new.geom),
        ST_MinY(new.geom), ST_MaxY(new.geom)); END;
CREATE TRIGGER IF NOT EXISTS rtree_captions_geom_update6 AFTER UPDATE OF geom ON captions
    WHEN old.fid = new.fid AND (new.geom NOTNULL AND NOT ST_IsEmpty(new.geom))
    AND (old.geom NOTNULL AND NOT ST_IsEmpty(old.geom)) BEGIN
    UPDATE rtree_captions_geom SET minx = ST_MinX(new.geom), maxx = ST_MaxX(new.geom), miny = ST_MinY(new.geom),
        maxy = ST_MaxY(new.geom) WHERE id = new.fid; END;
CREATE TRIGGER IF NOT EXISTS rtree_captions_geom_update7 AFTER UPDATE OF geom ON captions
    WHEN old.fid = new.fid AND (new.geom NOTNULL AND NOT ST_IsEmpty(new.geom))
    AND (old.geom ISNULL OR ST_IsEmpty(old.geom)) BEGIN
    INSERT INTO rtree_captions_geom VALUES (new.fid, ST_MinX(new.geom), ST_MaxX(new.geom), ST_MinY(new.geom),
        ST_MaxY(new.geom)); END;
CREATE TRIGGER IF NOT EXISTS rtree_captions_geom_delete AFTER DELETE ON captions WHEN old.geom NOT NULL BEGIN
    DELETE FROM rtree_captions_geom WHERE id = old.fid; END;
"#;

fn srs_id(crs: Option<&Crs>) -> i64 {
    crs.map_or(NOWHERE, |crs| i64::from(crs.epsg()))
}

/// What of a layer must be the same to go on with it.
fn made(layer: &Layer) -> String {
    let Layer { crs, fields, made } = layer;
    serde_json::json!([crs.as_ref().map(Crs::epsg), fields, made]).to_string()
}

fn sql(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "INTEGER",
        Kind::Real => "REAL",
        Kind::Text => "TEXT",
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Null => ValueRef::Null,
        }))
    }
}

fn feature(row: &Row, fields: usize) -> Result<Feature> {
    let ring = decode(row.get_ref(0)?.as_blob()?).context("it has a polygon that is not one of ours")?;
    let value = |field: usize| -> Result<Value> {
        Ok(match row.get_ref(field + 1)? {
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Real(value) => Value::Real(value),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Null | ValueRef::Blob(_) => Value::Null,
        })
    };
    Ok(Feature { ring, values: (0..fields).map(value).collect::<Result<_>>()? })
}
