//! The results printed, and written for whoever comes later.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use harness::data;
use harness::report::Format;
use harness::results::Results;

use super::Arguments;

/// Prints and writes the results of a run that went to its end.
pub fn finished(arguments: &Arguments, results: &Results) -> Result<(), String> {
    print(&arguments.format.of(results));
    let folder = write(arguments, results)?;
    if let (Some(folder), Format::Text | Format::Github) = (folder, arguments.format) {
        let files = Format::FILES.map(|(_, name)| name).join(", ");
        print(&format!("report: {} ({files})\n", folder.display()));
    }
    if arguments.format == Format::Github {
        add_job_summary(results)?;
    }
    Ok(())
}

/// The same for a system that did not start: people are told by one message, programs by every scenario.
pub fn not_started(arguments: &Arguments, results: &Results) -> Result<(), String> {
    if arguments.format == Format::Text {
        return write(arguments, results).map(|_| ());
    }
    finished(arguments, results)
}

fn print(text: &str) {
    // Whoever reads it may have seen enough: `| head`.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Writes the report's files and says where. A program that stands alone writes none unless it is told where.
fn write(arguments: &Arguments, results: &Results) -> Result<Option<PathBuf>, String> {
    let usual = || data::checkout().map(|checkout| checkout.join("target/verify"));
    let Some(folder) = arguments.report.clone().or_else(usual) else {
        return Ok(None);
    };
    let failed = |path: &Path, error: io::Error| {
        format!("the report cannot be written: {}: {error}", path.display())
    };
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    for (format, name) in Format::FILES {
        let path = folder.join(name);
        fs::write(&path, format.of(results)).map_err(|error| failed(&path, error))?;
    }
    let here = std::env::current_dir().unwrap_or_default();
    let shown = folder.strip_prefix(here).map(Path::to_owned);
    Ok(Some(shown.unwrap_or(folder)))
}

/// Adds the summary to the job's page, where GitHub Actions says which file that is.
fn add_job_summary(results: &Results) -> Result<(), String> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else {
        return Ok(());
    };
    let added = File::options().append(true).create(true).open(&path);
    added
        .and_then(|mut file| file.write_all(Format::Markdown.of(results).as_bytes()))
        .map_err(|error| {
            let path = Path::new(&path).display();
            format!("the job summary cannot be written: {path}: {error}")
        })
}
