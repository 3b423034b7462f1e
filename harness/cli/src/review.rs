//! `cargo review`: pending flows in the terminal, through cargo-insta, or on a page.
//!
//! - `web`: the page

mod web;

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use harness::data::data;

use crate::{Status, no_folder};

/// Review the flows that differ from the accepted ones, one by one: in the terminal, through cargo-insta, or on a page
#[derive(Args)]
pub struct Arguments {
    /// Serve the report of the last run to this machine, with accept and reject at each flow that waits
    #[arg(long)]
    web: bool,

    /// Where the page is served [default: any free port]
    #[arg(
        long,
        value_name = "PORT",
        requires = "web",
        default_value_t = 0,
        hide_default_value = true
    )]
    port: u16,

    /// The folder with the run's results.json [default: target/verify of the checkout]
    #[arg(long, value_name = "DIR", requires = "web")]
    from: Option<PathBuf>,

    /// What cargo-insta gets as arguments [default: review]
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        conflicts_with = "web"
    )]
    arguments: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Status {
    if arguments.web {
        return web::run(arguments.port, arguments.from.clone());
    }
    let Some(folder) = data().folder() else {
        return no_folder();
    };
    let words = if arguments.arguments.is_empty() {
        vec!["review".to_owned()]
    } else {
        arguments.arguments.clone()
    };
    // By this it knows that `insta` is no command of its own: it is what cargo calls it.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let insta = Command::new("cargo-insta")
        .env("CARGO", cargo)
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
                "cargo-insta is not installed: `cargo install cargo-insta --locked`, or `{} review --web`",
                harness::data::PROGRAM
            );
            Status::Usage
        }
        Err(error) => {
            eprintln!("cargo-insta cannot be run: {error}");
            Status::Usage
        }
    }
}
