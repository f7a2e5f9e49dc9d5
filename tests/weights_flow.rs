//! From public weights to a table: small files of every layout are served over HTTP, fetched, found by name, and a row
//! of a table is reproduced from each.
#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

mod common;

use common::{refused, rsic, succeeds, workplace};
use rsic::models::encoders::{Trainable, Tuning};
use rsic::util::fs::sha256;
use rsic::weights::{FetchOptions, Fetched, fetch, randomise};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Tensor};

const EXPERIMENT: &str = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: alexnet, weights: imagenet, image_size: 64}]
model: {fe_lws: {layers: 1, embedding: 16, hidden: 16, image: 16, merge: 16}}
train: {batch_size: 64, epochs: 1, optimizer: {lr: 2e-3}}
decode: {method: greedy}
";

const TABLE: &str = "paper: fe_lws
table: T
title: A small table
dataset: scenes
base: small.yaml
columns: [BLEU-1]
decodings: [greedy]
seeds: [1]
rows:
  - {method: one, run: {set: {model.fe_lws.stack: ns}}}
";

type Tensors = [(String, Tensor)];

/// How a file of `torch.save` is written.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Zip,
    Legacy,
    /// By PyTorch before 0.4 under Python 2.7.
    Old,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn numbers(out: &mut Vec<u8>, numbers: &[i64]) {
    out.push(b'(');
    for number in numbers {
        out.push(b'J');
        out.extend((*number as i32).to_le_bytes());
    }
    out.push(b't');
}

/// The state dict as a pickle; the storage of tensor `i` has the key `i`.
fn pickle(tensors: &Tensors, layout: Layout) -> Vec<u8> {
    let mut out = b"\x80\x02ccollections\nOrderedDict\n".to_vec();
    out.extend(if layout == Layout::Old { b"](".as_slice() } else { b")R(" });
    for (key, (name, tensor)) in tensors.iter().enumerate() {
        if layout == Layout::Old {
            out.extend(b"](");
        }
        text(&mut out, name);
        let function = if layout == Layout::Old { "_rebuild_tensor" } else { "_rebuild_tensor_v2" };
        out.extend(format!("ctorch._utils\n{function}\n((").as_bytes());
        text(&mut out, "storage");
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, &key.to_string());
        text(&mut out, "cpu");
        out.push(b'J');
        out.extend((tensor.numel() as i32).to_le_bytes());
        out.extend(if layout == Layout::Zip { b"tQK\0".as_slice() } else { b"NtQK\0" });
        numbers(&mut out, &tensor.size());
        numbers(&mut out, &tensor.stride());
        out.extend(if layout == Layout::Old { b"tRe".as_slice() } else { b"\x89ccollections\nOrderedDict\n)RtR" });
    }
    out.extend(if layout == Layout::Old { b"e\x85R.".as_slice() } else { b"u." });
    out
}

fn data(tensor: &Tensor) -> Vec<u8> {
    let values = Vec::<f32>::try_from(tensor.contiguous().view(-1)).unwrap();
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

fn legacy(tensors: &Tensors, layout: Layout) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    out.extend(pickle(tensors, layout));
    out.extend(b"\x80\x02](");
    (0..tensors.len()).for_each(|key| text(&mut out, &key.to_string()));
    out.extend(b"e.");
    for (_, tensor) in tensors {
        out.extend((tensor.numel() as u64).to_le_bytes());
        out.extend(data(tensor));
    }
    out
}

fn zipped(tensors: &Tensors) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut put = |name: String, bytes: &[u8]| {
        archive.start_file(name, stored).unwrap();
        archive.write_all(bytes).unwrap();
    };
    put("archive/data.pkl".into(), &pickle(tensors, Layout::Zip));
    for (key, (_, tensor)) in tensors.iter().enumerate() {
        put(format!("archive/data/{key}"), &data(tensor));
    }
    archive.finish().unwrap().into_inner()
}

/// Serves the files of a folder by their names.
fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let name = lines[0].split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
            let content = fs::read(folder.join(name)).unwrap();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
            let _ = stream.write_all(&content);
        }
    });
    address
}

fn fetched(server: &str, content: &[u8], name: &str, folder: &Path) {
    let entry = json!({
        "name": "alexnet", "version": "V1", "mib": 1, "sha256": sha256(content), "urls": [format!("{server}/{name}")]
    });
    let published = serde_json::from_value(entry).unwrap();
    let fetched = fetch(&published, folder, &FetchOptions::default(), &mut |_, _| Ok(())).unwrap();
    assert_eq!(fetched, Fetched::Downloaded { resumed_from: 0 });
}

/// The scores of the one run below a folder, and the weight file that it names.
fn row(output: &Path) -> (Value, String) {
    let run = fs::read_dir(output.join("fe_lws")).unwrap().next().unwrap().unwrap().path();
    let result: Value = serde_json::from_slice(&fs::read(run.join("seed1/result.json")).unwrap()).unwrap();
    (result["decodings"][0]["scores"].clone(), result["encoders"][0]["weights"].as_str().unwrap().to_owned())
}

#[test]
fn a_row_is_reproduced_alike_from_fetched_files_of_every_layout() {
    let place = workplace("weights_flow");
    fs::write(place.join("small.yaml"), EXPERIMENT).unwrap();
    fs::write(place.join("table_T.yaml"), TABLE).unwrap();
    fs::create_dir(place.join("none")).unwrap();
    let reproduce = |weights: &str| {
        rsic(&place, &["reproduce", "./table_T.yaml", "--weights", weights, "--output", &format!("runs_{weights}")])
    };
    refused(&reproduce("none"), &["no weights of alexnet (imagenet) in 'none'", "rsic weights fetch alexnet"]);
    refused(&rsic(&place, &["train", "small.yaml"]), &["no weights of alexnet", "'rsic weights fetch alexnet'"]);

    let store = VarStore::new(Device::Cpu);
    let encoder = Trainable::new("alexnet", &store, "", None, &Tuning::default()).unwrap();
    randomise(&store);
    let tensors: Vec<(String, Tensor)> =
        encoder.variables().iter().map(|(name, tensor)| (name.clone(), tensor.detach())).collect();
    let public = place.join("public");
    fs::create_dir(&public).unwrap();
    let server = serve(public.clone());
    Tensor::write_safetensors(&tensors, public.join("alexnet_imagenet.safetensors")).unwrap();
    Tensor::write_npz(&tensors, public.join("alexnet.npz")).unwrap();
    for (name, content) in [
        ("alexnet-owt-7be5be79.pth", zipped(&tensors)),
        ("alexnet-owt-4df8aa71.pth", legacy(&tensors, Layout::Legacy)),
        ("alexnet.pth.tar", legacy(&tensors, Layout::Old)),
    ] {
        fs::write(public.join(name), content).unwrap();
    }
    let mut first = None;
    for (folder, name) in [
        ("safetensors", "alexnet_imagenet.safetensors"),
        ("npz", "alexnet.npz"),
        ("zip", "alexnet-owt-7be5be79.pth"),
        ("legacy", "alexnet-owt-4df8aa71.pth"),
        ("old", "alexnet.pth.tar"),
    ] {
        fetched(&server, &fs::read(public.join(name)).unwrap(), name, &place.join(folder));
        succeeds(&reproduce(folder));
        let (scores, weights) = row(&place.join(format!("runs_{folder}")));
        assert_eq!(weights, format!("{folder}/{name}"));
        assert_eq!(*first.get_or_insert(scores.clone()), scores, "{folder}");
        assert!(scores.to_string().contains("BLEU"), "{scores}");
    }
}
