//! Whether a JPEG file is whole.

const END: u8 = 0xd9;

/// Whether a JPEG's own markers lead to its end marker. Decoders fill what is missing with gray and say nothing.
///
/// Segments are passed over by their lengths, embedded previews with them. What lies behind the end is not looked at:
/// a video (motion photos), further pictures (MPF) or padding.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    reaches_end(bytes).is_some()
}

/// `None` where the data ends before the end marker, or within a segment.
fn reaches_end(bytes: &[u8]) -> Option<()> {
    let mut rest = bytes;
    loop {
        let start = rest.iter().position(|&byte| byte == 0xff)?;
        rest = rest.get(start + 1..)?;
        match *rest.first()? {
            END => return Some(()),
            0xff => {}                                          // a fill byte
            0x00 | 0x01 | 0xd0..=0xd8 => rest = rest.get(1..)?, // data, or a marker that stands alone
            _ => {
                let length = u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?]);
                rest = rest.get(1 + usize::from(length.max(2))..)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_marker_counts_only_outside_segments_and_whatever_follows_it() {
        let preview = [0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9];
        let scan = [0xff, 0xda, 0, 2, 1, 0xff, 0, 0xff, 0xd0, 7];
        let body = [&[0xff, 0xd8][..], &preview, &scan].concat();
        assert!(!is_whole(&body));
        assert!(!is_whole(&body[..7]), "cut within a segment");
        let whole = [&body[..], &[0xff, 0xff, 0xd9]].concat();
        assert!(is_whole(&whole));
        assert!(is_whole(&[&whole[..], b"ftypmp42 \xff\xda\xff"].concat()));
    }
}
