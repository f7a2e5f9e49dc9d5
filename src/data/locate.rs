//! Finding the images of a caption file on disk.

use crate::util::walk;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// Extensions of the image formats that are read, in the order of preference among files of one stem.
pub const IMAGE_EXTENSIONS: [&str; 7] = ["tif", "tiff", "png", "jpg", "jpeg", "webp", "bmp"];

/// Whether a file name has an image's extension. What macOS puts beside a file as `._NAME` is no image.
pub fn is_image_name(path: &Path) -> bool {
    let beside = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"));
    !beside && extension_rank(path).is_some()
}

fn extension_rank(path: &Path) -> Option<usize> {
    let extension = path.extension()?.to_str()?;
    IMAGE_EXTENSIONS.iter().position(|known| known.eq_ignore_ascii_case(extension))
}

/// Why an image of a caption file is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// There is no such file, nor one of the same stem with another image extension, or a link leads to none.
    Absent,
    /// It is a folder, a pipe or a device.
    NotAFile,
    /// The file has 0 bytes.
    Empty,
    /// None of its captions has a word.
    NoCaption,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "is absent",
            Self::NotAFile => "is not a regular file",
            Self::Empty => "is empty",
            Self::NoCaption => "has no caption",
        })
    }
}

/// Looks image files up below one folder, reading each folder once.
pub(super) struct Locator {
    base: PathBuf,
    folders: BTreeMap<PathBuf, Listing>,
}

/// Names in a folder, and by lower-case stem the names of its images.
#[derive(Default)]
struct Listing {
    names: BTreeMap<String, ()>,
    stems: BTreeMap<String, Vec<String>>,
}

impl Locator {
    pub(super) fn new(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into(), folders: BTreeMap::new() }
    }

    /// The file of an image: in `folder` below the base if that is given, else (or if it is not there) in the base;
    /// by its name, else by its stem with another image extension. `Ok(Err(..))` says why there is none.
    pub(super) fn find(&mut self, folder: Option<&str>, name: &str) -> Result<Result<PathBuf, Fault>> {
        let within = self.within(name);
        let name = within.as_deref().unwrap_or(name);
        check_inside(name)?;
        let mut places = vec![self.base.clone()];
        if let Some(folder) = folder {
            check_inside(folder)?;
            places.insert(0, self.base.join(folder));
        }
        let below = self.below(name);
        for (place, name) in places.iter().flat_map(|place| [Some(name), below.as_deref()].map(|name| (place, name))) {
            let Some(name) = name else { continue };
            if let Some(path) = self.find_in(place, name)? {
                return match fs::metadata(&path) {
                    Ok(metadata) if !metadata.is_file() => Ok(Err(Fault::NotAFile)),
                    Ok(metadata) if metadata.len() == 0 => Ok(Err(Fault::Empty)),
                    Ok(_) => Ok(Ok(path)),
                    Err(error) if leads_nowhere(&error) => Ok(Err(Fault::Absent)),
                    Err(error) => Err(error).with_context(|| format!("cannot read '{}'", path.display())),
                };
            }
        }
        Ok(Err(Fault::Absent))
    }

    /// What a whole path is below the base.
    fn within(&self, name: &str) -> Option<String> {
        let base = std::path::absolute(&self.base).ok()?;
        Some(Path::new(name).strip_prefix(base).ok()?.to_str()?.to_owned())
    }

    /// Another reading of a name: Windows's separators, and the folder's own name before it.
    fn below(&self, name: &str) -> Option<String> {
        let slashes = name.replace('\\', "/");
        let own = self.base.file_name().and_then(|own| Path::new(&slashes).strip_prefix(own).ok()?.to_str());
        let other = own.unwrap_or(&slashes);
        (other != name && check_inside(other).is_ok()).then(|| other.to_owned())
    }

    /// Where the image is expected, whether it is there or not.
    pub(super) fn expected(&self, folder: Option<&str>, name: &str) -> PathBuf {
        folder.map_or_else(|| self.base.clone(), |folder| self.base.join(folder)).join(name)
    }

    fn find_in(&mut self, place: &Path, name: &str) -> Result<Option<PathBuf>> {
        let relative = Path::new(name);
        let folder = match relative.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => place.join(parent),
            _ => place.to_owned(),
        };
        let Some(name) = relative.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
        let listing = match self.folders.get(&folder) {
            Some(listing) => listing,
            None => {
                let listing = list(&folder)?;
                self.folders.entry(folder.clone()).or_insert(listing)
            }
        };
        if listing.names.contains_key(name) {
            return Ok(Some(folder.join(name)));
        }
        let found = listing.stems.get(&stem_key(relative)).and_then(|names| names.first());
        Ok(found.map(|name| folder.join(name)))
    }
}

/// Whether a link has no file at its end, or none but itself.
fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) || error.raw_os_error() == Some(libc::ELOOP)
}

/// A name of a caption file must not lead out of the image folder.
fn check_inside(name: &str) -> Result<()> {
    if name.is_empty()
        || Path::new(name).components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
    {
        bail!("the caption file lists the image '{}', which is not inside the image folder", name.escape_debug());
    }
    Ok(())
}

fn stem_key(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The files of a folder; one that does not exist has none.
fn list(folder: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    if !folder.is_dir() {
        return Ok(listing);
    }
    let context = || format!("cannot list the folder '{}'", folder.display());
    for path in walk::entries(folder).with_context(context)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_image_name(&path) {
            listing.stems.entry(stem_key(&path)).or_default().push(name.to_owned());
        }
        listing.names.insert(name.to_owned(), ());
    }
    for names in listing.stems.values_mut() {
        names.sort_by(|a, b| (extension_rank(Path::new(a)), a).cmp(&(extension_rank(Path::new(b)), b)));
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_wins_then_the_stem_with_another_image_extension() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("beach")).unwrap();
        for name in ["1.tif", "1.jpg", "2.JPG", "2.txt", "3.png", "beach/beach_1.jpg"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        fs::write(folder.path().join("4.tif"), b"").unwrap();
        let mut locator = Locator::new(folder.path());
        let mut find = |sub: Option<&str>, name: &str| {
            let found = locator.find(sub, name).unwrap();
            found.map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(find(None, "1.jpg").unwrap(), "1.jpg");
        assert_eq!(find(None, "1.png").unwrap(), "1.tif");
        assert_eq!(find(None, "2.tif").unwrap(), "2.JPG");
        assert_eq!(find(Some("beach"), "beach_1.tif").unwrap(), "beach/beach_1.jpg");
        assert_eq!(find(None, "beach/beach_1.jpg").unwrap(), "beach/beach_1.jpg");
        assert_eq!(find(Some("beach"), "3.png").unwrap(), "3.png");
        assert_eq!(find(None, "4.tif"), Err(Fault::Empty));
        assert_eq!(find(None, "5.tif"), Err(Fault::Absent));
    }

    #[test]
    fn links_that_lead_nowhere_are_absent_images_and_pipes_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("gone.png", path("dangling.png")).unwrap();
        std::os::unix::fs::symlink("loop.png", path("loop.png")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("endless.png")).unwrap();
        fs::create_dir(path("folder.png")).unwrap();
        let mut locator = Locator::new(folder.path());
        let mut find = |name: &str| locator.find(None, name).unwrap().unwrap_err();
        assert_eq!(find("dangling.png"), Fault::Absent);
        assert_eq!(find("loop.png"), Fault::Absent);
        assert_eq!(find("endless.png"), Fault::NotAFile);
        assert_eq!(find("folder.png"), Fault::NotAFile);
    }

    #[test]
    fn whole_paths_separators_of_windows_and_the_folder_s_own_name_are_seen_through() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("imgs");
        fs::create_dir_all(base.join("beach")).unwrap();
        fs::write(base.join("beach/1.png"), "x").unwrap();
        fs::write(base.join("odd\\name.png"), "x").unwrap();
        let mut locator = Locator::new(&base);
        let whole = base.join("beach/1.png").display().to_string();
        for name in ["beach/1.png", &whole, "beach\\1.png", "imgs/beach/1.png", "imgs\\beach\\1.png"] {
            assert_eq!(locator.find(None, name).unwrap(), Ok(base.join("beach/1.png")), "{name}");
        }
        assert_eq!(locator.find(None, "odd\\name.png").unwrap(), Ok(base.join("odd\\name.png")));
        assert_eq!(locator.find(None, "..\\imgs\\beach\\1.png").unwrap(), Err(Fault::Absent));
    }

    #[test]
    fn what_macos_puts_beside_an_image_is_no_image() {
        assert!(is_image_name(Path::new("a/1.PNG")) && is_image_name(Path::new(".1.png")));
        assert!(!is_image_name(Path::new("a/._1.png")) && !is_image_name(Path::new("1.txt")));
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        let mut locator = Locator::new("imgs");
        for name in ["../a.png", "/etc/passwd", "", "a/../../b.png"] {
            assert!(locator.find(None, name).unwrap_err().to_string().contains("inside the image folder"));
        }
        assert!(locator.find(Some("../x"), "a.png").is_err());
    }
}
