//! `cargo contracts export`: fixtures as what consumers' tools read.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use harness::fixture;
use interchange::pact;

use crate::Status;

/// Write the fixtures as what consumers' tools read: Pacts (version 4), a file for each provider
#[derive(Args)]
pub struct Arguments {
    /// What to write
    format: Format,

    /// The folder to write to
    #[arg(long, value_name = "FOLDER", default_value = "target/pacts")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Pacts, version 4
    Pact,
}

pub fn run(arguments: &Arguments) -> Status {
    let Format::Pact = arguments.format;
    let fixtures = fixture::interactions()
        .and_then(|interactions| Ok((interactions, fixture::notifications()?)));
    let (interactions, notifications) = match fixtures {
        Ok(fixtures) => fixtures,
        Err(error) => return refused(&error.to_string()),
    };
    for pact in pact::export(&interactions, &notifications) {
        let file = arguments.out.join(&pact.file);
        let written = fs::create_dir_all(&arguments.out)
            .and_then(|()| fs::write(&file, format!("{:#}\n", pact.json)));
        if let Err(error) = written {
            return refused(&format!("{}: cannot be written: {error}", file.display()));
        }
        println!("{}", file.display());
    }
    Status::Kept
}

fn refused(words: &str) -> Status {
    eprintln!("{words}");
    Status::Usage
}
