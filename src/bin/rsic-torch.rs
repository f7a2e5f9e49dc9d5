//! The program behind `rsic`: every command, with LibTorch.

use std::process::ExitCode;

fn main() -> ExitCode {
    rsic::commands::main()
}
