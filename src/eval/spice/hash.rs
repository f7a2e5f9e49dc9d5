//! Numbers for texts and for lists of numbers, the same everywhere: keys of the model's tables.

/// FNV-1a, then mixed.
fn mixed(bytes: impl Iterator<Item = u8>) -> u32 {
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ hash >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32) as u32
}

/// A number for some texts of a kind.
pub(crate) fn number(kind: u8, texts: &[&str]) -> u32 {
    mixed(std::iter::once(kind).chain(texts.iter().flat_map(|text| text.bytes().chain([0]))))
}

/// A number for some numbers of a kind.
pub(crate) fn of_numbers(kind: u8, numbers: impl IntoIterator<Item = u32>) -> u32 {
    mixed(std::iter::once(kind).chain(numbers.into_iter().flat_map(u32::to_le_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_ends_of_texts_count() {
        let numbers = [
            number(0, &["ab", "c"]),
            number(0, &["a", "bc"]),
            number(1, &["ab", "c"]),
            of_numbers(0, [1, 2]),
            of_numbers(0, [2, 1]),
        ];
        let distinct: std::collections::BTreeSet<u32> = numbers.into_iter().collect();
        assert_eq!(distinct.len(), numbers.len());
    }
}
