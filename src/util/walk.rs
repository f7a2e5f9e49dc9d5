//! What lies in folders, always in the same order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The paths of everything right in a folder, sorted.
pub fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The files in a folder and in those below it that `enter` lets in, sorted within each folder.
///
/// `enter` is asked of the first folder too. Links are followed, but each folder is entered once, however many links
/// lead to it: a link to a folder above ends there.
pub fn files(folder: &Path, mut enter: impl FnMut(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    descend(folder, &mut enter, &mut BTreeSet::new(), &mut files)?;
    Ok(files)
}

fn descend(
    folder: &Path,
    enter: &mut impl FnMut(&Path) -> bool,
    entered: &mut BTreeSet<PathBuf>,
    files: &mut Vec<PathBuf>,
) -> io::Result<()> {
    if !enter(folder) || !entered.insert(folder.canonicalize()?) {
        return Ok(());
    }
    for path in entries(folder)? {
        match path.is_dir() {
            true => descend(&path, enter, entered, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_order_and_once_though_links_lead_back() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for file in ["b/2.png", "b/1.png", "a.png", "c/d/3.png"] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("c/up")).unwrap();
        std::os::unix::fs::symlink(root.join("b"), root.join("z")).unwrap();
        let found = |enter: &dyn Fn(&Path) -> bool| -> Vec<String> {
            let paths = files(root, enter).unwrap();
            paths.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
        };
        assert_eq!(found(&|_| true), ["a.png", "b/1.png", "b/2.png", "c/d/3.png"]);
        assert_eq!(found(&|folder| !folder.ends_with("c")), ["a.png", "b/1.png", "b/2.png"]);
        assert_eq!(found(&|folder| folder == root), ["a.png"]);
        assert!(files(&root.join("absent"), |_| true).is_err());
    }
}
