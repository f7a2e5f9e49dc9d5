//! Where the mask of an image lies.

use crate::data::IMAGE_EXTENSIONS;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Looks the mask files of images up: the image's name with an image's extension, PNG first, or with `json`.
#[derive(Debug, Clone)]
pub struct Finder {
    folder: PathBuf,
    /// Folder of the images of a dataset, below which they may lie in folders; masks then lie likewise, or side by
    /// side.
    images: Option<PathBuf>,
    /// Masks that lie elsewhere.
    made: BTreeMap<PathBuf, PathBuf>,
}

impl Finder {
    /// For the images of a dataset: `folder` is inside `root` unless it is absolute.
    pub fn of_dataset(folder: &Path, root: &Path, images: &Path) -> Self {
        Self { folder: root.join(folder), images: Some(images.to_owned()), made: BTreeMap::new() }
    }

    /// For images anywhere: their masks lie in `folder` beside them or beside their folder.
    pub fn of_images(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), images: None, made: BTreeMap::new() }
    }

    /// From now on, this is the mask file of an image that has none in the folder.
    pub fn remember(&mut self, image: &Path, mask: PathBuf) {
        self.made.insert(image.to_owned(), mask);
    }

    /// The mask file of an image, if there is one.
    pub fn find(&self, image: &Path) -> Option<PathBuf> {
        let in_folder = self.candidates(image).into_iter().find_map(|place| with_extension(&place));
        in_folder.or_else(|| self.made.get(image).cloned())
    }

    /// Where a mask picture of an image is to be written.
    pub fn target(&self, image: &Path) -> Option<PathBuf> {
        Some(append(self.candidates(image).first()?, "png"))
    }

    /// Where the records of an image's masks are to be written.
    pub fn records_target(&self, image: &Path) -> Option<PathBuf> {
        Some(append(self.candidates(image).first()?, "json"))
    }

    /// Places without extension, best first.
    fn candidates(&self, image: &Path) -> Vec<PathBuf> {
        let Some(stem) = image.file_stem() else { return Vec::new() };
        match &self.images {
            Some(images) => {
                let below = image.strip_prefix(images).ok().and_then(Path::parent).unwrap_or(Path::new(""));
                let mut places = vec![self.folder.join(below).join(stem), self.folder.join(stem)];
                places.dedup();
                places
            }
            None => {
                let beside = image.parent().into_iter();
                beside
                    .flat_map(|place| [Some(place), place.parent()])
                    .flatten()
                    .map(|p| p.join(&self.folder).join(stem))
                    .collect()
            }
        }
    }
}

fn with_extension(place: &Path) -> Option<PathBuf> {
    let first = ["png"].into_iter().chain(IMAGE_EXTENSIONS).chain(["json"]);
    first.map(|extension| append(place, extension)).find(|path| path.is_file())
}

/// Adds an extension, whatever dots the name has.
fn append(place: &Path, extension: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn masks_are_found_by_the_name_of_the_image() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("imgs/beach")).unwrap();
        fs::create_dir_all(root.join("masks/beach")).unwrap();
        for name in ["masks/beach/a.1.png", "masks/b.json", "masks/b.png", "masks/c.json"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let finder = Finder::of_dataset(Path::new("masks"), root, &root.join("imgs"));
        let find = |name: &str| finder.find(&root.join("imgs").join(name));
        assert_eq!(find("beach/a.1.jpg"), Some(root.join("masks/beach/a.1.png")));
        assert_eq!(find("beach/b.jpg"), Some(root.join("masks/b.png")));
        assert_eq!(find("c.tif"), Some(root.join("masks/c.json")));
        assert_eq!(find("d.tif"), None);
        assert_eq!(finder.target(&root.join("imgs/beach/z.tif")), Some(root.join("masks/beach/z.png")));
        let loose = Finder::of_images(Path::new("masks"));
        assert_eq!(loose.find(&root.join("imgs/b.jpg")), Some(root.join("masks/b.png")));
        assert_eq!(loose.find(&root.join("b.jpg")), Some(root.join("masks/b.png")));
        let mut made = loose.clone();
        made.remember(&root.join("b.jpg"), root.join("cached.png"));
        made.remember(&root.join("d.jpg"), root.join("cached.png"));
        assert_eq!(made.find(&root.join("b.jpg")), Some(root.join("masks/b.png")));
        assert_eq!(made.find(&root.join("d.jpg")), Some(root.join("cached.png")));
        assert_eq!(finder.records_target(&root.join("imgs/z.tif")), Some(root.join("masks/z.json")));
    }
}
