//! Weight files as PyTorch 2.11 and NumPy write them (`tests/golden/weights.py` made them), as PyTorch did before it
//! had zip archives (`tests/golden/old_weights.py`), and files to be refused.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use rsic::util::rng::Rng;
use rsic::weights::{self, Format, StateDict};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::{Kind, Tensor};

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/weights").join(file)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view(-1)).unwrap()
}

fn refusal(path: &Path) -> String {
    format!("{:#}", weights::read(path).unwrap_err())
}

#[test]
fn every_format_gives_equal_tensors_with_buffers() {
    for (file, format, prefix, kind) in [
        ("zip.pth", Format::TorchZip, "", Kind::Float),
        ("legacy.pth", Format::TorchLegacy, "", Kind::Float),
        ("half.pth", Format::TorchZip, "", Kind::Half),
        ("wrapped.pth", Format::TorchZip, "module.", Kind::Float),
        ("arrays.npz", Format::Npz, "", Kind::Float),
        ("compressed.npz", Format::Npz, "", Kind::Float),
    ] {
        let StateDict { format: found, tensors, .. } = weights::read(&golden(file)).unwrap();
        let tensor = |name: &str| &tensors[&format!("{prefix}{name}")];
        assert_eq!((found, tensors.len()), (format, 3), "{file}");
        assert_eq!((tensor("conv.weight").size(), tensor("conv.weight").kind()), (vec![2, 3], kind), "{file}");
        assert_eq!(values(tensor("conv.weight")), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25], "{file}");
        assert_eq!(values(tensor("bn.running_mean")), [0.5, -1.5], "{file}");
        assert_eq!(tensor("bn.num_batches_tracked").kind(), Kind::Int64, "{file}");
        assert_eq!(values(tensor("bn.num_batches_tracked")), [7.0], "{file}");
    }
}

#[test]
fn a_torchscript_archive_gives_the_parameters_of_its_modules_and_runs_nothing() {
    let StateDict { tensors, .. } = weights::read(&golden("script.pt")).unwrap();
    let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
    assert_eq!(names, ["conv.weight", "inner.0.0.bias", "inner.0.0.weight", "input_resolution"]);
    assert_eq!(tensors["conv.weight"].kind(), Kind::Half);
    assert_eq!(values(&tensors["conv.weight"]), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
    assert_eq!(values(&tensors["input_resolution"]), [224.0]);
}

/// The layouts of torchvision's oldest files.
#[test]
fn files_of_old_pytorch_and_of_python_2_give_equal_tensors() {
    for (file, prefix, counter) in [
        ("old/python2.pth", "", true),
        ("old/checkpoint_python2.pth.tar", "module.", true),
        ("old/rebuild_tensor.pth", "", true),
        ("old/parameter.pth", "", false),
    ] {
        let StateDict { format, tensors, .. } = weights::read(&golden(file)).unwrap();
        let tensor = |name: &str| &tensors[&format!("{prefix}{name}")];
        assert_eq!((format, tensors.len()), (Format::TorchLegacy, if counter { 3 } else { 2 }), "{file}");
        assert_eq!(tensor("conv.weight").size(), [2, 3], "{file}");
        assert_eq!(values(tensor("conv.weight")), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25], "{file}");
        assert_eq!(values(tensor("bn.running_mean")), [0.5, -1.5], "{file}");
        if counter {
            assert_eq!(values(tensor("bn.num_batches_tracked")), [7.0], "{file}");
        }
    }
}

#[test]
fn publicly_reported_layouts_are_read() {
    for (file, prefix) in [
        ("w01_rebuild_tensor.pth", ""),
        ("w01_parameter.pth", ""),
        ("w01_setstate.pth", ""),
        ("w02_python2.pth.tar", ""),
        ("w03_best_acc1.pth.tar", "module."),
    ] {
        let tensors = weights::read(&golden("old").join(file)).unwrap().tensors;
        let shapes: Vec<(&str, Vec<i64>)> = tensors.iter().map(|(name, t)| (name.as_str(), t.size())).collect();
        let [bias, weight] = ["bias", "weight"].map(|name| format!("{prefix}conv1.{name}"));
        assert_eq!(shapes, [(bias.as_str(), vec![2]), (weight.as_str(), vec![2, 2, 3])], "{file}");
    }
}

#[test]
fn old_files_with_several_storages_views_and_types_are_read() {
    let tensors = weights::read(&golden("old/kinds.pth")).unwrap().tensors;
    for (name, kind) in [("half", Kind::Half), ("bfloat16", Kind::BFloat16), ("double", Kind::Double)] {
        assert_eq!((tensors[name].kind(), tensors[name].size()), (kind, vec![2, 3]), "{name}");
        assert_eq!(values(&tensors[name]), [0.0, 0.25, 0.5, 0.75, 1.0, 1.25], "{name}");
    }
    for (name, kind, expected) in [
        ("int64", Kind::Int64, vec![-1.0, (1u64 << 40) as f64]),
        ("int32", Kind::Int, vec![-1.0, f64::from(1 << 20)]),
        ("uint8", Kind::Uint8, vec![0.0, 255.0]),
        ("bool", Kind::Bool, vec![1.0, 0.0]),
        ("scalar", Kind::Int64, vec![7.0]),
        ("empty", Kind::Float, vec![]),
        ("part", Kind::Float, vec![5.0, 6.0, 7.0, 8.0]),
        ("half_part", Kind::Half, vec![0.5, 0.75]),
        ("transposed", Kind::Float, vec![0.0, 4.0, 8.0, 1.0, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 11.0]),
    ] {
        assert_eq!((tensors[name].kind(), values(&tensors[name])), (kind, expected), "{name}");
    }
    let tensors = weights::read(&golden("old/storage_view.pth")).unwrap().tensors;
    assert_eq!((tensors["whole"].size(), values(&tensors["whole"])[11]), (vec![3, 4], 2.75));
    assert_eq!(values(&tensors["part"]), [1.25, 1.5, 1.75, 2.0]);
}

/// The wheel `lpips` 0.1.4 has files of PyTorch 0.3 and 0.4 under Python 2: `RSIC_LPIPS` is its folder
/// `lpips/weights`. Sums by PyTorch 1.4.
#[test]
fn real_files_of_python_2_are_read_where_they_are_at_hand() {
    let Some(folder) = std::env::var_os("RSIC_LPIPS").map(PathBuf::from) else { return };
    for (file, sum) in [
        ("v0.0/alex.pth", 2.565_887),
        ("v0.0/squeeze.pth", 5.301_839),
        ("v0.0/vgg.pth", 3.641_608),
        ("v0.1/alex.pth", 2.349_532),
        ("v0.1/squeeze.pth", 5.690_101),
        ("v0.1/vgg.pth", 6.925_992),
    ] {
        let tensors = weights::read(&folder.join(file)).unwrap().tensors;
        let first = &tensors["lin0.model.1.weight"];
        assert_eq!(first.size(), [1, 64, 1, 1], "{file}");
        assert!((values(first).iter().sum::<f64>() - sum).abs() < 1e-5, "{file}");
    }
}

#[test]
fn views_of_one_storage_are_told_apart() {
    for file in ["shared.pth", "shared_legacy.pth"] {
        let tensors = weights::read(&golden(file)).unwrap().tensors;
        assert_eq!(values(&tensors["whole"]), (0..12).map(f64::from).collect::<Vec<_>>());
        assert_eq!(tensors["transposed"].size(), [4, 3]);
        assert_eq!(values(&tensors["transposed"])[..4], [0.0, 4.0, 8.0, 1.0]);
        assert_eq!(values(&tensors["part"]), [5.0, 6.0, 7.0, 8.0]);
        assert_eq!(values(&tensors["parameter"]), [0.0, 1.0]);
    }
}

#[test]
fn the_state_of_a_module_is_read_with_its_buffers() {
    let tensors = weights::read(&golden("module.bin")).unwrap().tensors;
    let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
    assert_eq!(names, ["bias", "num_batches_tracked", "running_mean", "running_var", "weight"]);
}

#[test]
fn hostile_and_absurd_files_are_refused_in_one_sentence() {
    for file in ["hostile.pth", "hostile_legacy.pth"] {
        let message = refusal(&golden(file));
        assert!(message.contains(file) && message.contains("system'"), "{message}");
    }
    assert!(refusal(&golden("absurd.pth")).contains("exceeds its storage"));
    assert!(refusal(&golden("plain.pkl")).contains("not one of torch.save"));
}

/// Every file cut at every length, and many files with changed bytes: an error or tensors, never a panic.
///
/// `RSIC_FUZZ_SECONDS=600` goes on changing bytes for so long.
#[test]
fn cut_and_changed_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w");
    let seconds = std::env::var("RSIC_FUZZ_SECONDS").map_or(0, |seconds| seconds.parse().unwrap());
    let (start, mut rng, mut rounds) = (Instant::now(), Rng::new(&[4]), 0u64);
    let files_of = |folder: &str| fs::read_dir(golden(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut entries: Vec<_> = files_of("").chain(files_of("old")).filter(|path| path.is_file()).collect();
    entries.sort();
    let mut files = Vec::new();
    for file in entries {
        let whole = fs::read(&file).unwrap();
        for cut in (0..whole.len()).step_by(19) {
            fs::write(&path, &whole[..cut]).unwrap();
            let message = refusal(&path);
            assert!(message.contains("/w'") && !message.contains('\n'), "{} cut at {cut}: {message}", file.display());
        }
        files.push(whole);
    }
    while rounds < 60 || start.elapsed().as_secs() < seconds {
        for whole in &files {
            let mut bytes = whole.clone();
            for _ in 0..1 + rng.below(4) {
                let place = rng.below(bytes.len());
                bytes[place] = rng.next_u64() as u8;
            }
            fs::write(&path, &bytes).unwrap();
            let _ = weights::read(&path);
        }
        rounds += 1;
    }
    println!("{rounds} changes of each of {} files", files.len());
}

fn rsic(arguments: &[&str]) -> (Option<i32>, String, String) {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_rsic")).arg("weights").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn the_command_lists_and_converts() {
    let folder = tempfile::tempdir().unwrap();
    let file = golden("wrapped.pth");
    let (code, listed, _) = rsic(&["info", file.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(listed.contains("PyTorch zip, unknown architecture, 3 tensors, 9 elements"), "{listed}");
    assert!(listed.contains("module.conv.weight  Float  [2, 3]"), "{listed}");
    let output = folder.path().join("new/w.safetensors");
    assert_eq!(rsic(&["convert", file.to_str().unwrap(), output.to_str().unwrap()]).0, Some(0));
    let (before, after) = (weights::read(&file).unwrap(), weights::read(&output).unwrap());
    assert_eq!((after.format, before.tensors == after.tensors), (Format::Safetensors, true));
    let (code, _, error) = rsic(&["info", golden("hostile.pth").to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(error.contains("requires 'posix.system'") && error.trim_end().lines().count() == 1, "{error}");
}

#[test]
fn verify_names_each_fault_and_exits_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::copy(golden("zip.pth"), path("own.pth")).unwrap();
    let run = || rsic(&["verify", folder.path().to_str().unwrap()]);
    let (code, said, _) = run();
    assert_eq!((code, said.contains("1 files, 0 faults")), (Some(0), true), "{said}");
    fs::write(path("resnet50-0676ba61.pth"), "half a download").unwrap();
    fs::write(path("broken.safetensors"), "text").unwrap();
    let (code, said, _) = run();
    assert_eq!((code, said.contains("3 files, 2 faults")), (Some(1), true), "{said}");
    assert!(said.contains("expected 0676ba61"), "{said}");
}

#[test]
fn the_manifest_names_weights_of_every_encoder_and_word_vectors_and_segment_anything() {
    let manifest = rsic::weights::manifest().unwrap();
    let named: std::collections::BTreeSet<&str> = manifest.iter().map(|published| published.name.as_str()).collect();
    let others = ["glove.6B", "sam_vit_b", "sam_vit_l", "sam_vit_h", "mobile_sam"];
    assert_eq!(named, rsic::models::encoders::spec::names().chain(others).collect());
    let unique: std::collections::BTreeSet<_> = manifest.iter().map(|p| (&p.name, &p.version)).collect();
    assert_eq!(unique.len(), manifest.len());
}
