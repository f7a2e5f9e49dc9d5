//! Images with a scene class each.

use super::config::{ClassSource, SceneData};
use crate::data::{Dataset, ImageEntry, Split, is_image_name};
use crate::util::rng::Rng;
use crate::util::walk;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The classes of the UC Merced land-use set (Yang and Newsam 2010), a hundred images each, in the order of its file
/// numbers.
const UCM: [&str; 21] = [
    "agricultural",
    "airplane",
    "baseballdiamond",
    "beach",
    "buildings",
    "chaparral",
    "denseresidential",
    "forest",
    "freeway",
    "golfcourse",
    "harbor",
    "intersection",
    "mediumresidential",
    "mobilehomepark",
    "overpass",
    "parkinglot",
    "river",
    "runway",
    "sparseresidential",
    "storagetanks",
    "tenniscourt",
];

/// An image of a known class.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    pub path: PathBuf,
    /// Place in [`Scenes::classes`].
    pub class: usize,
    pub split: Split,
}

/// A scene-classification set.
#[derive(Debug, Clone)]
pub struct Scenes {
    /// Sorted by name; UC Merced's in the order of its numbers.
    pub classes: Vec<String>,
    pub images: Vec<Labelled>,
    /// What told the classes.
    pub source: ClassSource,
    /// Whether the set says its splits; else they are drawn by `data.split`.
    pub splits_given: bool,
}

/// Path, class and split of an image.
type Item = (PathBuf, String, Option<Split>);

impl Scenes {
    /// Reads the set.
    ///
    /// # Errors
    /// One sentence for: a folder that is not there, no classes, one class only, images of some classes without a
    /// split.
    pub fn load(config: &SceneData) -> Result<Self> {
        let root = &config.root;
        if !root.is_dir() {
            bail!("the dataset folder '{}' does not exist; put the dataset there or change data.root", root.display());
        }
        let (source, items) = match config.classes {
            ClassSource::Captions => (ClassSource::Captions, captioned(root)?),
            ClassSource::Ucm => (ClassSource::Ucm, numbered(root)?),
            ClassSource::Folders => (ClassSource::Folders, folders(root)?),
            ClassSource::Auto => automatic(root)?,
        };
        let classes: Vec<String> = match source {
            ClassSource::Ucm => UCM.map(String::from).to_vec(),
            _ => items.iter().map(|(_, class, _)| class.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
        };
        if classes.len() < 2 {
            bail!("'{}' has images of only one class ('{}')", root.display(), classes.join(""));
        }
        let numbers: BTreeMap<&str, usize> = classes.iter().enumerate().map(|(i, class)| (class.as_str(), i)).collect();
        let splits_given = items.iter().all(|(_, _, split)| split.is_some());
        let class = |name: &str| numbers.get(name).copied().unwrap_or_default();
        let mut images: Vec<Labelled> = items
            .iter()
            .map(|(path, name, split)| Labelled {
                path: path.clone(),
                class: class(name),
                split: split.unwrap_or(Split::Train),
            })
            .collect();
        if !splits_given {
            draw_splits(&mut images, classes.len(), &config.split);
        }
        let scenes = Self { classes, images, source, splits_given };
        if scenes.split(Split::Train).is_empty() {
            bail!("'{}' has no training images; check data.split", root.display());
        }
        Ok(scenes)
    }

    /// Places of the images of a split.
    pub fn split(&self, split: Split) -> Vec<usize> {
        self.images.iter().enumerate().filter(|(_, image)| image.split == split).map(|(place, _)| place).collect()
    }
}

/// Each class is shuffled by the seed and cut into train, val and test, so that every class is in every part.
fn draw_splits(images: &mut [Labelled], classes: usize, rule: &crate::data::SplitRule) {
    for class in 0..classes {
        let mut places: Vec<usize> =
            images.iter().enumerate().filter(|(_, i)| i.class == class).map(|(p, _)| p).collect();
        Rng::new(&[rule.seed, class as u64]).shuffle(&mut places);
        let count = |part: f64| (places.len() as f64 * part).round() as usize;
        let (train, val) = (count(rule.train), count(rule.val));
        for (rank, place) in places.iter().enumerate() {
            if let Some(image) = images.get_mut(*place) {
                image.split = match rank {
                    rank if rank < train => Split::Train,
                    rank if rank < train + val => Split::Val,
                    _ => Split::Test,
                };
            }
        }
    }
}

fn automatic(root: &Path) -> Result<(ClassSource, Vec<Item>)> {
    let has_captions = ["dataset.json"].iter().any(|name| root.join(name).is_file());
    if has_captions && let Ok(items) = captioned(root) {
        return Ok((ClassSource::Captions, items));
    }
    // Other sets are numbered too, but none ends where this one does.
    if let Ok(items) = numbered(root)
        && items.iter().filter_map(|(path, ..)| number(path)).max().is_some_and(|last| last > 2000)
    {
        return Ok((ClassSource::Ucm, items));
    }
    let items = folders(root).with_context(|| {
        format!(
            "cannot determine the classes of '{}' (no caption file with classes, no UC Merced numbering)",
            root.display()
        )
    })?;
    Ok((ClassSource::Folders, items))
}

/// The images of the caption file, which names a class for each.
fn captioned(root: &Path) -> Result<Vec<Item>> {
    let dataset = Dataset::load(&crate::data::DataConfig::of_folder(root))?;
    let given = dataset.splits_given;
    let item = |image: ImageEntry| {
        let class = image.class.with_context(|| format!("the caption file has no class for '{}'", image.file_name))?;
        Ok((image.path, class, given.then_some(image.split)))
    };
    dataset.images.into_iter().map(item).collect()
}

/// UC Merced's images by their numbers, with the splits of the caption file where there is one.
fn numbered(root: &Path) -> Result<Vec<Item>> {
    let class = |path: &Path| -> Result<String> {
        let name = number(path).and_then(|number| UCM.get(number.checked_sub(1)? / 100));
        name.map(|name| (*name).to_owned())
            .with_context(|| format!("'{}' is not a UC Merced image number (1 to 2100)", path.display()))
    };
    if root.join("dataset.json").is_file() {
        let dataset = Dataset::load(&crate::data::DataConfig::of_folder(root))?;
        let given = dataset.splits_given;
        let images = dataset.images.into_iter();
        return images
            .map(|image| Ok((image.path.clone(), class(&image.path)?, given.then_some(image.split))))
            .collect();
    }
    for folder in places(root) {
        let files = images_in(&folder)?;
        if !files.is_empty() {
            return files.into_iter().map(|path| Ok((path.clone(), class(&path)?, None))).collect();
        }
    }
    bail!("no images in '{}'", root.display())
}

fn number(path: &Path) -> Option<usize> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// A folder a class, or `train`, `val` and `test` with such folders in them.
fn folders(root: &Path) -> Result<Vec<Item>> {
    for folder in places(root) {
        let mut items = Vec::new();
        for child in folders_in(&folder)? {
            let name = file_name(&child);
            match name.parse::<Split>() {
                Ok(split) => {
                    items.extend(classes_in(&child)?.into_iter().map(|(path, class)| (path, class, Some(split))))
                }
                Err(_) => items.extend(images_in(&child)?.into_iter().map(|path| (path, name.clone(), None))),
            }
        }
        if items.is_empty() {
            continue;
        }
        let without = items.iter().filter(|(_, _, split)| split.is_none()).count();
        if without > 0 && without < items.len() {
            bail!("'{}' has both class folders and split folders (train, val, test)", folder.display());
        }
        return Ok(items);
    }
    bail!("'{}' has no class folders; put the images of each class into a folder named after it", root.display())
}

/// Where images or class folders may lie: the root, its image folder, and the one folder that an archive unpacks to.
fn places(root: &Path) -> Vec<PathBuf> {
    let mut places = vec![root.to_owned(), root.join("imgs"), root.join("images")];
    if let Ok(children) = folders_in(root)
        && let [only] = children.as_slice()
    {
        places.push(only.clone());
    }
    places.retain(|place| place.is_dir());
    places.dedup();
    places
}

fn classes_in(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut items = Vec::new();
    for class in folders_in(folder)? {
        let name = file_name(&class);
        items.extend(images_in(&class)?.into_iter().map(|path| (path, name.clone())));
    }
    Ok(items)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What lies in a folder but for hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = walk::entries(folder).with_context(|| format!("cannot list the folder '{}'", folder.display()))?;
    paths.retain(|path| !file_name(path).starts_with('.'));
    Ok(paths)
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn images_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| is_image_name(path) && path.is_file()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn config(root: &Path) -> SceneData {
        SceneData { root: root.to_owned(), classes: ClassSource::Auto, split: crate::data::SplitRule::default() }
    }

    fn touch(root: &Path, files: &[String]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }

    #[test]
    fn class_folders_are_split_class_by_class() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<String> =
            (0..60).map(|i| format!("NWPU-RESISC45/{}/{i}.jpg", ["airport", "beach"][i % 2])).collect();
        touch(folder.path(), &files);
        let scenes = Scenes::load(&config(folder.path())).unwrap();
        assert_eq!(
            (scenes.classes.as_slice(), scenes.source),
            (&["airport", "beach"].map(String::from)[..], ClassSource::Folders)
        );
        for (split, count) in [(Split::Train, 24), (Split::Val, 3), (Split::Test, 3)] {
            let of = |class| scenes.split(split).iter().filter(|&&i| scenes.images[i].class == class).count();
            assert_eq!((of(0), of(1)), (count, count), "{split}");
        }
        assert!(!scenes.splits_given);
    }

    #[test]
    fn split_folders_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["train/a/1.png", "train/b/2.png", "val/a/3.png", "test/b/4.png"].map(String::from));
        let scenes = Scenes::load(&config(folder.path())).unwrap();
        assert!(scenes.splits_given);
        assert_eq!(
            (scenes.split(Split::Train).len(), scenes.split(Split::Val), scenes.split(Split::Test).len()),
            (2, vec![3], 1)
        );
        touch(folder.path(), &["c/5.png".into()]);
        let error = format!("{:#}", Scenes::load(&config(folder.path())).unwrap_err());
        assert!(error.contains("both class folders and split"), "{error}");
    }

    #[test]
    fn uc_merced_classes_follow_from_file_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<String> = (1..=2100).map(|i| format!("imgs/{i}.tif")).collect();
        touch(folder.path(), &files);
        let scenes = Scenes::load(&config(folder.path())).unwrap();
        assert_eq!(scenes.source, ClassSource::Ucm);
        let class = |n: usize| {
            let path = folder.path().join(format!("imgs/{n}.tif"));
            UCM[scenes.images.iter().find(|image| image.path == path).unwrap().class]
        };
        assert_eq!(
            [class(1), class(100), class(101), class(2100)],
            ["agricultural", "agricultural", "airplane", "tenniscourt"]
        );
        assert_eq!(scenes.split(Split::Train).len(), 1680);
        touch(folder.path(), &["imgs/2101.tif".into()]);
        let ucm = SceneData { classes: ClassSource::Ucm, ..config(folder.path()) };
        assert!(Scenes::load(&ucm).unwrap_err().to_string().contains("2101.tif' is not a UC Merced image number"));
    }

    #[test]
    fn sets_without_classes_are_refused_in_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let error = |config: &SceneData| format!("{:#}", Scenes::load(config).unwrap_err());
        assert!(error(&config(folder.path())).contains("has no class folders"));
        touch(folder.path(), &["a/1.jpg".into()]);
        assert!(error(&config(folder.path())).contains("only one class ('a')"));
        assert!(error(&config(Path::new("nowhere/at/all"))).contains("does not exist"));
    }
}
