//! `rsic compare`: two runs, or files of captions, on the same images.

use super::{ExitStatus, report, this_command};
use crate::cli::CompareArgs;
use crate::eval::bootstrap::{self, Difference};
use crate::eval::readers::{self, Matching, plain};
use crate::eval::{MetricSet, References, Scores};
use crate::experiment;
use crate::experiments::Comparison;
use crate::experiments::reported::{ReportedRun, RunGroup, grouped};
use crate::report::html::{self, Differences, MetricDifference, Shown};
use crate::runs::result::{CaptionRecord, DecodingResult, ImageRecord};
use crate::util::fs::write_atomic;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Images listed on either end.
const LISTED: usize = 5;

/// One system: its name, its captions, and the run it is of, if any.
struct System {
    name: String,
    /// Image, caption and references, in the order of the run or the file.
    captions: Vec<Captioned>,
    run: Option<(ReportedRun, DecodingResult)>,
}

struct Captioned {
    image: String,
    caption: String,
    references: Vec<String>,
}

pub(super) fn run(args: &CompareArgs) -> Result<ExitStatus> {
    if args.bootstrap == 0 {
        bail!("--bootstrap is 0; a comparison needs at least 1 resample");
    }
    let (mut first, mut second) = (System::load(&args.first, args)?, System::load(&args.second, args)?);
    if first.name == second.name {
        (first.name, second.name) = (args.first.display().to_string(), args.second.display().to_string());
    }
    let compared = Compared::new(&first, &second, args)?;
    let mut out = std::io::stdout().lock();
    compared.print(&mut out)?;
    if let Some(path) = &args.out {
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&compared.json(args))?).as_bytes())?;
    }
    if let Some(path) = &args.html {
        write_page(path, &first, &second, &compared.differences, args)?;
        writeln!(out, "Page: {}", path.display())?;
    }
    Ok(ExitStatus::Success)
}

impl System {
    fn load(path: &Path, args: &CompareArgs) -> Result<Self> {
        if path.is_dir() { Self::of_run(path, args) } else { Self::of_file(path, args) }
    }

    fn of_run(path: &Path, args: &CompareArgs) -> Result<Self> {
        let load = |path: &Path, overrides: &[String]| Ok(experiment::load(path, overrides)?.experiment);
        let run = ReportedRun::load(path, &load)?;
        let names =
            || run.result.decodings.iter().map(|decoding| decoding.name.as_str()).collect::<Vec<_>>().join(", ");
        let own = match &args.decoding {
            Some(name) => {
                let found = run.result.decodings.iter().find(|decoding| decoding.name == *name);
                found.with_context(|| format!("'{}' has no decoding '{name}'; it has: {}", path.display(), names()))?
            }
            None => run
                .result
                .decoding(&run.experiment.decode)
                .or(run.result.decodings.last())
                .with_context(|| format!("'{}' has no captions", path.display()))?,
        };
        let captioned = |(image, record): (&ImageRecord, &CaptionRecord)| Captioned {
            image: image.name.clone(),
            caption: record.caption.clone(),
            references: image.references.clone(),
        };
        let captions = run.result.images.iter().zip(&own.captions).map(captioned).collect();
        let name = format!("{}, {}, seed {}", run.experiment.name, own.name, run.result.seed);
        let own = own.clone();
        Ok(Self { name, captions, run: Some((run, own)) })
    }

    /// A file of captions; references come from `--references`, or from the file itself where it is `rsic eval`'s.
    fn of_file(path: &Path, args: &CompareArgs) -> Result<Self> {
        let hypotheses = readers::read_hypotheses(path)?;
        let references = match args.references.as_slice() {
            [] => None,
            files => Some(readers::read_references(files)?),
        };
        let places = references.as_ref().map(|references| Matching::new(&hypotheses, references).places);
        let (files, inside) = inside(path)?;
        let captioned = |(number, item): (usize, &readers::Item)| {
            let id = plain(&item.id);
            let found = match (&references, &places) {
                (Some(references), Some(places)) => {
                    let place = places.get(number).copied().flatten();
                    place.and_then(|place| references.items().get(place)).map(|group| group.captions.clone())
                }
                _ => inside.get(&id).cloned(),
            };
            let references = found.filter(|references| !references.is_empty()).with_context(|| {
                format!("image '{id}' of '{}' has no references: give them with --references", path.display())
            })?;
            let caption = item.captions.first().cloned().unwrap_or_default();
            // Runs know images by the names of their files.
            let image = files.get(&id).cloned().unwrap_or(id);
            Ok(Captioned { image, caption, references })
        };
        let captions = hypotheses.items().iter().enumerate().map(captioned).collect::<Result<_>>()?;
        Ok(Self { name: path.display().to_string(), captions, run: None })
    }
}

/// File names, and references, by image.
type Inside = (BTreeMap<String, String>, BTreeMap<String, Vec<String>>);

/// What a file that `rsic eval` wrote says of its images.
fn inside(path: &Path) -> Result<Inside> {
    let (mut files, mut references) = (BTreeMap::new(), BTreeMap::new());
    for line in crate::util::fs::read_text(path)?.lines() {
        let Ok(value) = serde_json::from_str::<Value>(line) else { break };
        let Some(id) = value.get("image_id").map(plain) else { break };
        if let Some(file) = value.get("file").and_then(Value::as_str) {
            files.insert(id.clone(), file.to_owned());
        }
        let texts = value.get("references").and_then(Value::as_array).into_iter().flatten();
        references.insert(id, texts.filter_map(Value::as_str).map(str::to_owned).collect());
    }
    Ok((files, references))
}

/// Two systems on the images that both have captioned.
struct Compared {
    differences: Differences,
    /// Scores of both, by image, in the order of the first system.
    images: Vec<ImageDifference>,
    /// By which single images are listed.
    metric: String,
}

struct ImageDifference {
    image: String,
    captions: [String; 2],
    scores: [Scores; 2],
}

impl Compared {
    fn new(first: &System, second: &System, args: &CompareArgs) -> Result<Self> {
        let others: BTreeMap<&str, &Captioned> = second.captions.iter().map(|one| (one.image.as_str(), one)).collect();
        let pairs: Vec<(&Captioned, &Captioned)> =
            first.captions.iter().filter_map(|one| Some((one, *others.get(one.image.as_str())?))).collect();
        if pairs.is_empty() {
            bail!("'{}' and '{}' have no image in common", args.first.display(), args.second.display());
        }
        for (path, count) in [(&args.first, first.captions.len()), (&args.second, second.captions.len())] {
            if count != pairs.len() {
                tracing::warn!("only {} of the {count} images of '{}' are compared", pairs.len(), path.display());
            }
        }
        let differ = pairs.iter().filter(|(one, other)| one.references != other.references).count();
        if differ > 0 {
            tracing::warn!(
                "{differ} images have other references in '{}': those of '{}' are used",
                args.second.display(),
                args.first.display()
            );
        }
        let metrics = MetricSet::ALL;
        let groups: Vec<Vec<String>> = pairs.iter().map(|(one, _)| one.references.clone()).collect();
        let references = References::new(&groups);
        let segments = |captions: Vec<&str>| references.segments(&crate::eval::tokenize_all(&captions), metrics);
        let ours = segments(pairs.iter().map(|(one, _)| one.caption.as_str()).collect())?;
        let theirs = segments(pairs.iter().map(|(_, other)| other.caption.as_str()).collect())?;
        let compared = bootstrap::compare(&references, &ours, &theirs, metrics, args.bootstrap, args.seed);
        let [of_first, of_second] = [references.corpus(&ours, metrics), references.corpus(&theirs, metrics)];
        let of = |scores: &Scores, difference: &Difference| scores.get(&difference.metric).unwrap_or(f64::NAN);
        let differences = Differences {
            first: first.name.clone(),
            second: second.name.clone(),
            resamples: args.bootstrap,
            metrics: compared
                .into_iter()
                .map(|difference| MetricDifference {
                    first: of(&of_first, &difference),
                    second: of(&of_second, &difference),
                    difference,
                })
                .collect(),
        };
        let images: Vec<ImageDifference> = pairs
            .iter()
            .zip(ours.iter().zip(&theirs))
            .map(|((one, other), (a, b))| ImageDifference {
                image: one.image.clone(),
                captions: [one.caption.clone(), other.caption.clone()],
                scores: [references.named(a, metrics), references.named(b, metrics)],
            })
            .collect();
        let names: Vec<&str> = images.first().map_or(Vec::new(), |image| image.scores[0].names().collect());
        let Some(metric) = names.iter().find(|name| name.eq_ignore_ascii_case(&args.metric)) else {
            let hint = crate::util::suggest::hint(&args.metric, names.iter().copied());
            bail!("--metric '{}' is not a per-image score{hint}; valid: {}", args.metric, names.join(", "));
        };
        let metric = (*metric).to_owned();
        Ok(Self { differences, images, metric })
    }

    /// Images by the gain of the first system over the second, greatest first.
    fn by_gain(&self) -> Vec<(f64, &ImageDifference)> {
        let of = |scores: &Scores| scores.get(&self.metric).unwrap_or(f64::NAN);
        let mut all: Vec<(f64, &ImageDifference)> =
            self.images.iter().map(|image| (of(&image.scores[0]) - of(&image.scores[1]), image)).collect();
        all.retain(|(gain, _)| gain.is_finite());
        all.sort_by(|a, b| b.0.total_cmp(&a.0)); // stable
        all
    }

    fn print(&self, out: &mut dyn Write) -> Result<()> {
        let Differences { first, second, resamples, metrics } = &self.differences;
        writeln!(out, "A: {first}\nB: {second}\n{} images, paired bootstrap of {resamples}\n", self.images.len())?;
        let width = metrics.iter().map(|one| one.difference.metric.len()).max().unwrap_or(0);
        writeln!(out, "{:width$}  {:>7}  {:>7}  {:>7}  {:^18}  p", "", "A", "B", "A - B", "95 %")?;
        for MetricDifference { first, second, difference } in metrics {
            let Difference { metric, difference, low, high, p } = difference;
            writeln!(
                out,
                "{metric:width$}  {first:7.4}  {second:7.4}  {difference:+.4}  [{low:+.4}, {high:+.4}]  {p:.4}"
            )?;
        }
        let ranked = self.by_gain();
        let gains = ranked.iter().take_while(|(gain, _)| *gain > 0.0).take(LISTED);
        self.list(out, "Largest gains of A", &mut gains.copied())?;
        let losses = ranked.iter().rev().take_while(|(gain, _)| *gain < 0.0).take(LISTED);
        self.list(out, "Largest losses of A", &mut losses.copied())
    }

    fn list(
        &self,
        out: &mut dyn Write,
        title: &str,
        images: &mut dyn Iterator<Item = (f64, &ImageDifference)>,
    ) -> Result<()> {
        writeln!(out, "\n{title}, {}:", self.metric)?;
        for (gain, image) in images {
            writeln!(
                out,
                "  {gain:+.3}  {}\n          A: {}\n          B: {}",
                image.image, image.captions[0], image.captions[1]
            )?;
        }
        Ok(())
    }

    fn json(&self, args: &CompareArgs) -> Value {
        let images: Vec<Value> = self
            .by_gain()
            .into_iter()
            .map(|(gain, image)| {
                json!({
                    "image": image.image,
                    "difference": gain,
                    "captions": image.captions,
                    "scores": image.scores,
                })
            })
            .collect();
        let corpus = |pick: fn(&MetricDifference) -> f64| {
            Scores(self.differences.metrics.iter().map(|m| (m.difference.metric.clone(), pick(m))).collect())
        };
        json!({
            "first": args.first,
            "second": args.second,
            "names": [self.differences.first, self.differences.second],
            "corpus": [corpus(|metric| metric.first), corpus(|metric| metric.second)],
            "resamples": args.bootstrap,
            "seed": args.seed,
            "differences": self.differences.metrics.iter().map(|metric| &metric.difference).collect::<Vec<_>>(),
            "metric": self.metric,
            "images": images,
        })
    }
}

/// The report of both runs with their differences; files of captions have no pictures to show.
fn write_page(
    path: &Path,
    first: &System,
    second: &System,
    differences: &Differences,
    args: &CompareArgs,
) -> Result<()> {
    let (Some((one, of_one)), Some((other, of_other))) = (&first.run, &second.run) else {
        bail!("--html needs two run folders; caption files do not contain the image paths");
    };
    let load = |path: &Path, overrides: &[String]| Ok(experiment::load(path, overrides)?.experiment);
    let groups: Vec<RunGroup> = grouped(vec![one.clone(), other.clone()]);
    let comparison = Comparison::of_runs(&groups, &args.experiments, &load)?;
    let command = this_command();
    let mut page = report::page(&groups, &comparison, &command);
    page.differences = Some(differences);
    let name = |run: &ReportedRun| run.experiment.name.clone();
    let compared = [
        Shown { methods: name(one), result: &one.result, decoding: of_one },
        Shown { methods: name(other), result: &other.result, decoding: of_other },
    ];
    page.shown.retain(|known| compared.iter().all(|one| known.decoding != one.decoding));
    page.shown.splice(0..0, compared);
    write_atomic(path, html::page(&page).as_bytes())
}
