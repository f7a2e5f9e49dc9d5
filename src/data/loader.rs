//! Images decoded and resized ahead of their use by worker threads, given in the order that was asked.

use super::image::{self, Filter};
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// How a [`Loader`] works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Side to which images are resized, pixels.
    pub size: u32,
    pub filter: Filter,
    /// Threads that decode; 0 counts as 1.
    pub workers: usize,
    /// Most images that are held ready, so that memory stays bounded; 0 counts as 1.
    pub ahead: usize,
}

impl LoaderOptions {
    /// Two workers and two batches ahead: one core decodes and resizes several hundred small images a second, far more
    /// than an encoder takes on a CPU.
    pub fn new(size: u32, batch: usize) -> Self {
        Self { size, filter: Filter::Bilinear, workers: 2, ahead: 2 * batch.max(1) }
    }
}

/// An iterator over what is made of a list of images, in its order: of image files the bytes of [`image::load_by`], or
/// the error that names the file. One bad file does not stop the others. Dropping it stops the workers.
pub struct Loader<T = Vec<u8>> {
    shared: Arc<Shared<T>>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
}

/// Makes the pixels of an image of the list.
type Load<T> = Box<dyn Fn(usize) -> Result<T> + Send + Sync>;

struct Shared<T> {
    load: Load<T>,
    /// Images in the list.
    count: usize,
    options: LoaderOptions,
    state: Mutex<State<T>>,
    /// Signals both that a result is ready and that there is room for one.
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// The next image that a worker takes.
    taken: usize,
    /// The next image that the user gets.
    given: usize,
    ready: BTreeMap<usize, Result<T>>,
    stopped: bool,
}

impl<T> Shared<T> {
    /// The state. A worker cannot leave it half changed, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A fault in a decoder must not end a run over thousands of images.
    fn load(&self, at: usize) -> Result<T> {
        let load = std::panic::AssertUnwindSafe(|| (self.load)(at));
        let failed = |_| Err(anyhow!("the image number {at} of the list is damaged (decoder error)"));
        std::panic::catch_unwind(load).unwrap_or_else(failed)
    }

    /// What each worker does until all images are taken.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            while !state.stopped && state.taken >= state.given + self.options.ahead {
                state = self.wait(state);
            }
            let at = state.taken;
            if state.stopped || at >= self.count {
                return;
            }
            state.taken += 1;
            drop(state);
            let loaded = self.load(at);
            self.lock().ready.insert(at, loaded);
            self.changed.notify_all();
        }
    }
}

impl Loader {
    /// Starts the workers.
    pub fn new(paths: Vec<PathBuf>, options: LoaderOptions) -> Self {
        let count = paths.len();
        let load = move |at: usize| match paths.get(at) {
            Some(path) => image::load_by(path, options.size, options.filter),
            None => Err(anyhow!("no image number {at}")),
        };
        Self::with(count, options, load)
    }
}

impl<T: Send + 'static> Loader<T> {
    /// Starts the workers on a list of `count` images, what is given of each made by `load` from its place in the list.
    pub fn with(
        count: usize,
        options: LoaderOptions,
        load: impl Fn(usize) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        let options = LoaderOptions { workers: options.workers.max(1), ahead: options.ahead.max(1), ..options };
        let workers = options.workers.min(options.ahead).min(count);
        let shared = Arc::new(Shared {
            load: Box::new(load),
            count,
            options,
            state: Mutex::new(State { taken: 0, given: 0, ready: BTreeMap::new(), stopped: false }),
            changed: Condvar::new(),
        });
        let start = || {
            let shared = shared.clone();
            std::thread::Builder::new().name("image-loader".into()).spawn(move || shared.work())
        };
        // Where no thread can be started, `next` does the work itself.
        let workers = (0..workers).map_while(|_| start().ok()).collect();
        Self { shared, workers, next: 0 }
    }
}

impl<T> Iterator for Loader<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.shared.count {
            return None;
        }
        if self.workers.is_empty() {
            self.next += 1;
            return Some(self.shared.load(self.next - 1));
        }
        let mut state = self.shared.lock();
        let loaded = loop {
            match state.ready.remove(&self.next) {
                Some(loaded) => break loaded,
                None => state = self.shared.wait(state),
            }
        };
        self.next += 1;
        state.given = self.next;
        drop(state);
        self.shared.changed.notify_all();
        Some(loaded)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.count.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Loader<T> {}

impl<T> Drop for Loader<T> {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::{Rgb, RgbImage};

    fn folder(count: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let path = |i: usize| folder.path().join(format!("{i}.png"));
        for i in 0..count {
            // Larger ones first, so that results are ready in another order than asked.
            let side = if i % 2 == 0 { 300 } else { 3 };
            RgbImage::from_pixel(side, side, Rgb([i as u8; 3])).save(path(i)).unwrap();
        }
        let paths = (0..count).map(path).collect();
        (folder, paths)
    }

    #[test]
    fn images_come_in_the_order_given_whatever_the_number_of_workers() {
        let (_folder, paths) = folder(40);
        for (workers, ahead) in [(1, 1), (2, 3), (4, 64), (0, 0)] {
            let loader = Loader::new(paths.clone(), LoaderOptions { workers, ahead, ..LoaderOptions::new(5, 1) });
            assert_eq!(loader.len(), 40);
            let first: Vec<u8> = loader.map(|pixels| pixels.unwrap()[0]).collect();
            assert_eq!(first, (0..40).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn a_bad_image_is_an_error_in_its_place_and_the_others_are_served() {
        let (_folder, paths) = folder(6);
        std::fs::write(&paths[1], b"").unwrap();
        std::fs::write(&paths[3], b"text").unwrap();
        std::fs::remove_file(&paths[4]).unwrap();
        let loaded: Vec<Result<Vec<u8>>> = Loader::new(paths, LoaderOptions::new(4, 2)).collect();
        let faults: Vec<String> =
            loaded.iter().map(|item| item.as_ref().map_or_else(ToString::to_string, |_| "ok".into())).collect();
        assert!(faults[1].contains("1.png' is empty"));
        assert!(faults[3].contains("3.png' is not a TIFF, PNG, JPEG, WebP or BMP image"));
        assert!(faults[4].contains("4.png' does not exist"));
        assert_eq!(faults.iter().filter(|fault| *fault == "ok").count(), 3);
    }

    #[test]
    fn no_more_than_the_bound_is_held_and_dropping_early_ends_the_workers() {
        let (_folder, paths) = folder(30);
        let mut loader = Loader::new(paths, LoaderOptions { workers: 3, ahead: 5, ..LoaderOptions::new(4, 1) });
        loader.next().unwrap().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let taken = loader.shared.lock().taken;
        assert!(taken <= 6, "{taken} images taken after one was used");
        drop(loader);
    }

    #[test]
    fn no_images_give_none() {
        assert!(Loader::new(Vec::new(), LoaderOptions::new(4, 2)).next().is_none());
    }
}
