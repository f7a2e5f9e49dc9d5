//! What lies where weights should, by how it begins.

/// What a file is that begins so, and what is to be done; `None` of one that may hold weights.
pub(super) fn other_kind(start: &[u8]) -> Option<&'static str> {
    // The length of a safetensors header may begin like anything.
    if start.get(8) == Some(&b'{') {
        return None;
    }
    const KINDS: [(&[u8], &str); 9] = [
        (b"version https://git-lfs", "a pointer of Git LFS in place of the file; get that with 'git lfs pull'"),
        (b"<!doctype", PAGE),
        (b"<html", PAGE),
        (b"<?xml", PAGE),
        (b"\x1f\x8b", "compressed by gzip; unpack it with 'gunzip'"),
        (b"BZh", "compressed by bzip2; unpack it with 'bunzip2'"),
        (b"\xfd7zXZ", "compressed by xz; unpack it with 'unxz'"),
        (
            b"\x89HDF\r\n",
            "an HDF5 file (Keras, MATLAB), which is not read; save the weights as safetensors or by torch.save",
        ),
        (b"\x93NUMPY", "a single NumPy array, which has no name; save named arrays with numpy.savez"),
    ];
    let start = start.trim_ascii_start().to_ascii_lowercase();
    KINDS.iter().find(|(magic, _)| start.starts_with(&magic.to_ascii_lowercase())).map(|(_, kind)| *kind)
}

const PAGE: &str = "a web page, which the server sent in place of the file; download it again, in a browser if need be";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_weight_file_is_known_by_its_beginning_and_weights_are_left_alone() {
        for (start, says) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid"[..], "git lfs pull"),
            (b"\n<!DOCTYPE html><html><head>", "web page"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "gunzip"),
            (b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
            (b"\x93NUMPY\x01\0v\0", "numpy.savez"),
        ] {
            assert!(other_kind(start).is_some_and(|kind| kind.contains(says)), "{says}");
        }
        for start in [&b"\x1f\x8b\x08\0\0\0\0\0{\"a\""[..], b"<!\0\0\0\0\0\0{\"a\"", b"\x80\x02}", b""] {
            assert_eq!(other_kind(start), None);
        }
    }
}
