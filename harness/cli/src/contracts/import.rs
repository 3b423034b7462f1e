//! `cargo contracts import`: fixtures from consumers' Pact files and from browser recordings.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use contract::Problem;
use harness::data::data;
use harness::fixture::{self, FixtureError};
use interchange::exchange::Known;
use interchange::files::Existing;
use interchange::{Files, har, pact};

use crate::{Status, no_folder};

/// Make fixtures of a consumer's Pact (version 4) or of a browser's recording (HAR), all of them or none
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo contracts import pact frontend-api-gateway.json
  cargo contracts import har recording.har --proves files.answers-pass

What a call of the gateway proves is what most fixtures like it prove, unless --proves says it.

Exit status:
  0  the fixtures are written
  3  nothing is: the file cannot be read, or something in it cannot be a fixture, or a fixture exists already")]
pub struct Arguments {
    /// What the file is
    format: Format,

    /// The file
    file: PathBuf,

    /// A promise that the calls of the gateway prove; may be given more than once
    #[arg(long, value_name = "ID")]
    proves: Vec<String>,

    /// Replace fixtures that exist already
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A Pact, version 4
    Pact,
    /// A recording of a browser, with `_webSocketMessages`
    Har,
}

pub fn run(arguments: &Arguments) -> Status {
    let Some(folder) = data().folder() else {
        return no_folder();
    };
    let files = match read(arguments) {
        Ok(files) => files,
        Err(problem) => return refused(&problem),
    };
    let existing = if arguments.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    if let Err(problem) = files.write(folder, existing) {
        return refused(&problem);
    }
    for note in &files.notes {
        eprintln!("{note}");
    }
    for path in files.texts.keys() {
        println!("{path}");
    }
    Status::Kept
}

fn read(arguments: &Arguments) -> Result<Files, Problem> {
    let name = arguments.file.display().to_string();
    let text = fs::read_to_string(&arguments.file)
        .map_err(|error| Problem::new(&name, format!("cannot be read: {error}")))?;
    let unreadable = |error: FixtureError| Problem::new(error.place, error.problem);
    let fixtures = fixture::interactions().map_err(unreadable)?;
    let known = Known {
        contract: harness::contract::contract().map_err(unreadable)?,
        fixtures: &fixtures,
        proves: &arguments.proves,
    };
    match arguments.format {
        Format::Pact => pact::import(&name, &text, &known),
        Format::Har => har::import(&name, &text, &known),
    }
}

fn refused(problem: &Problem) -> Status {
    eprintln!("{problem}");
    Status::Usage
}
