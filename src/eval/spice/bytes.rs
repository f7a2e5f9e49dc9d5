//! Numbers and texts in the model file, little-endian.

/// The next bytes, stepped over.
pub(crate) fn take<'b>(from: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

pub(crate) fn take_u32(from: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(from, 4)?.try_into().ok()?))
}

macro_rules! numbers {
    ($type:ty, $write:ident, $read:ident) => {
        pub(crate) fn $write(out: &mut Vec<u8>, numbers: &[$type]) {
            numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        }

        pub(crate) fn $read(from: &mut &[u8], count: usize) -> Option<Vec<$type>> {
            const SIZE: usize = size_of::<$type>();
            let bytes = take(from, count.checked_mul(SIZE)?)?;
            bytes.chunks_exact(SIZE).map(|bytes| Some(<$type>::from_le_bytes(bytes.try_into().ok()?))).collect()
        }
    };
}

numbers!(i16, shorts, take_shorts);
numbers!(u32, words, take_words);

/// Count, then each with its length.
pub(crate) fn strings<'s>(out: &mut Vec<u8>, strings: impl ExactSizeIterator<Item = &'s str>) {
    out.push(strings.len() as u8);
    for string in strings {
        out.push(string.len() as u8);
        out.extend(string.bytes());
    }
}

pub(crate) fn take_strings(from: &mut &[u8]) -> Option<Vec<String>> {
    let count = take(from, 1)?[0];
    let string = |_| {
        let length = usize::from(take(from, 1)?[0]);
        String::from_utf8(take(from, length)?.to_vec()).ok()
    };
    (0..count).map(string).collect()
}
