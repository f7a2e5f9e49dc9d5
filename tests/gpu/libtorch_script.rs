//! Which LibTorch `scripts/libtorch.py` takes for a driver.

use std::process::Command;

/// What the script says, and chooses, for a text of `/proc/driver/nvidia/version`; its exit status.
fn choice(version: &str) -> (String, String, Option<i32>) {
    let program = "import sys, libtorch; print(libtorch.for_driver(sys.argv[1]))";
    let output = Command::new("python3")
        .args(["-c", program, version])
        .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/scripts"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let text = super::common::text;
    (text(&output.stdout).trim().to_owned(), text(&output.stderr), output.status.code())
}

#[test]
fn the_driver_tells_which_cuda_is_taken_or_that_it_is_too_old() {
    let driver = |version| {
        format!(
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build\nGCC version: 12.2\n"
        )
    };
    for (version, takes) in
        [("580.65.06", "cuda"), ("595.10", "cuda"), ("535.183.01", "cuda12"), ("525.60.13", "cuda12")]
    {
        let (taken, said, _) = choice(&driver(version));
        assert_eq!(taken, takes, "{version}: {said}");
        assert_eq!(said.contains("too old for CUDA 13"), takes == "cuda12", "{version}: {said}");
    }
    assert_eq!(choice("").0, "cuda", "a driver that tells nothing");
    let (_, said, code) = choice(&driver("470.256.02"));
    assert!(code == Some(2) && said.contains("CUDA 12 needs 525, CUDA 13 580"), "{said}");
}
