//! `cargo review`: pending flows in the terminal, through cargo-insta.

use std::io;
use std::process::Command;

use clap::Args;
use harness::data::data;

use crate::{Status, no_folder};

/// Review the flows that differ from the accepted ones, one by one, through cargo-insta.
#[derive(Args)]
pub struct Arguments {
    /// What cargo-insta gets as arguments [default: review]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Status {
    let Some(folder) = data().folder() else {
        return no_folder();
    };
    let words = if arguments.arguments.is_empty() {
        vec!["review".to_owned()]
    } else {
        arguments.arguments.clone()
    };
    let insta = Command::new("cargo-insta")
        .arg("insta")
        .args(words)
        .arg("--workspace")
        .current_dir(folder)
        .status();
    match insta {
        Ok(status) if status.success() => Status::Kept,
        Ok(_) => Status::Broken,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!(
                "cargo-insta is not installed: `cargo install cargo-insta --locked`, then again"
            );
            Status::Usage
        }
        Err(error) => {
            eprintln!("cargo-insta cannot be run: {error}");
            Status::Usage
        }
    }
}
