//! NumPy archives: one `.npy` array for each tensor.

use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tch::{Kind, Tensor};
use zip::ZipArchive;

/// Reads every array of an archive.
pub(super) fn read(path: &Path, archive: &mut ZipArchive<File>) -> Result<BTreeMap<String, Tensor>> {
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let mut tensors = BTreeMap::new();
    for file in names {
        let Some(name) = file.strip_suffix(".npy") else { continue };
        let mut attempt = || array(&mut archive.by_name(&file).context("it is damaged")?);
        let tensor =
            attempt().map_err(|error| anyhow!("cannot read the array '{name}' in '{}': {error:#}", path.display()))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// One array: magic, version, header of a Python dict, data in C or Fortran order.
fn array(file: &mut impl Read) -> Result<Tensor> {
    let mut start = [0; 8];
    file.read_exact(&mut start).context("it is truncated")?;
    let length = match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => {
            let mut length = [0; 2];
            file.read_exact(&mut length).context("it is truncated")?;
            u64::from(u16::from_le_bytes(length))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => {
            let mut length = [0; 4];
            file.read_exact(&mut length).context("it is truncated")?;
            u64::from(u32::from_le_bytes(length)).min(1 << 16)
        }
        _ => bail!("it is not a .npy array"),
    };
    let mut header = String::new();
    file.take(length).read_to_string(&mut header).context("its header is damaged")?;
    let (kind, fortran, shape) = parse(&header).with_context(|| format!("unsupported header: {}", header.trim()))?;
    let count = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(usize::try_from(side).ok()?));
    let bytes =
        count.and_then(|count| count.checked_mul(kind.elt_size_in_bytes())).context("its size is implausible")?;
    let mut data = Vec::new();
    file.take(bytes as u64).read_to_end(&mut data).context("its data are damaged")?;
    if data.len() != bytes {
        bail!("it is truncated: {} of {bytes} bytes", data.len());
    }
    if !fortran {
        return Ok(Tensor::f_from_data_size(&data, &shape, kind)?);
    }
    let reversed: Vec<i64> = shape.iter().rev().copied().collect();
    let order: Vec<i64> = (0..shape.len() as i64).rev().collect();
    Ok(Tensor::f_from_data_size(&data, &reversed, kind)?.permute(&order).contiguous())
}

/// Type, Fortran order and shape in `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn parse(header: &str) -> Option<(Kind, bool, Vec<i64>)> {
    let after = |key: &str| Some(header.split_once(&format!("'{key}':"))?.1.trim_start());
    let kind = match after("descr")?.strip_prefix('\'')?.split('\'').next()? {
        "<f4" => Kind::Float,
        "<f8" => Kind::Double,
        "<f2" => Kind::Half,
        "<i8" => Kind::Int64,
        "<i4" => Kind::Int,
        "|u1" => Kind::Uint8,
        "|i1" => Kind::Int8,
        "|b1" => Kind::Bool,
        _ => return None,
    };
    let shape = after("shape")?.strip_prefix('(')?.split(')').next()?;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty());
    let shape = sides.map(|side| side.parse().ok().filter(|&side: &i64| side >= 0)).collect::<Option<Vec<i64>>>()?;
    Some((kind, after("fortran_order")?.starts_with("True"), shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn both_orders_give_the_same_elements() {
        let header = |order: &str| format!("{{'descr': '|u1', 'fortran_order': {order}, 'shape': (2, 3), }}\n");
        let row_major = array(&mut npy(&header("False"), &[1, 2, 3, 4, 5, 6]).as_slice()).unwrap();
        let column_major = array(&mut npy(&header("True"), &[1, 4, 2, 5, 3, 6]).as_slice()).unwrap();
        assert_eq!(row_major, column_major);
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let refusal = |bytes: Vec<u8>| format!("{:#}", array(&mut bytes.as_slice()).unwrap_err());
        assert!(refusal(b"text".to_vec()).contains("truncated"));
        let absurd = "{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000, 9000000000), }";
        assert!(refusal(npy(absurd, &[])).contains("implausible"));
        assert!(
            refusal(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", &[0; 15])).contains("15 of 16")
        );
        assert!(
            refusal(npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", &[]))
                .contains("unsupported header")
        );
    }
}
