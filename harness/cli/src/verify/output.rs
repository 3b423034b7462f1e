//! The results printed, and written for whoever comes later.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use harness::data;
use harness::report::Format;
use harness::report::document::Document;
use harness::results::Results;

use super::{Arguments, report};

/// Prints and writes the results of a run that went to its end.
pub fn finished(arguments: &Arguments, results: &Results) -> Result<(), String> {
    let document = document(arguments, results)?;
    print(&arguments.format.of(results, &document));
    let folder = write(arguments, results, &document)?;
    if let (Some(folder), Format::Text | Format::Github) = (folder, arguments.format) {
        let files = Format::FILES.map(|(_, name)| name).join(", ");
        print(&format!("report: {} ({files})\n", folder.display()));
    }
    if arguments.format == Format::Github {
        add_job_summary(&Format::Markdown.of(results, &document))?;
    }
    Ok(())
}

/// The same for a system that did not start: people are told by one message, programs by every scenario.
pub fn not_started(arguments: &Arguments, results: &Results) -> Result<(), String> {
    if arguments.format == Format::Text {
        let document = document(arguments, results)?;
        return write(arguments, results, &document).map(|_| ());
    }
    finished(arguments, results)
}

/// The document of the results, compared with what the arguments say.
fn document(arguments: &Arguments, results: &Results) -> Result<Document, String> {
    let mut document = Document::of(results);
    document.load = folder(arguments.report.clone()).and_then(|folder| report::load_in(&folder));
    report::compare(&mut document, arguments.base.as_deref())?;
    Ok(document)
}

/// Prints what a program or a person reads.
pub fn print(text: &str) {
    // Whoever reads it may have seen enough: `| head`.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Where reports are: where somebody says, or in the checkout if there is one.
pub fn folder(chosen: Option<PathBuf>) -> Option<PathBuf> {
    let usual = || data::checkout().map(|checkout| checkout.join("target/verify"));
    chosen.or_else(usual)
}

/// Writes the report's files and says where. A program that stands alone writes none unless it is told where.
fn write(
    arguments: &Arguments,
    results: &Results,
    document: &Document,
) -> Result<Option<PathBuf>, String> {
    let Some(folder) = folder(arguments.report.clone()) else {
        return Ok(None);
    };
    let failed = |path: &Path, error: io::Error| {
        format!("the report cannot be written: {}: {error}", path.display())
    };
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    for (format, name) in Format::FILES {
        let path = folder.join(name);
        fs::write(&path, format.of(results, document)).map_err(|error| failed(&path, error))?;
    }
    let here = std::env::current_dir().unwrap_or_default();
    let shown = folder.strip_prefix(here).map(Path::to_owned);
    Ok(Some(shown.unwrap_or(folder)))
}

/// Adds the summary to the job's page, where GitHub Actions says which file that is.
fn add_job_summary(summary: &str) -> Result<(), String> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else {
        return Ok(());
    };
    let added = File::options().append(true).create(true).open(&path);
    added
        .and_then(|mut file| file.write_all(summary.as_bytes()))
        .map_err(|error| {
            let path = Path::new(&path).display();
            format!("the job summary cannot be written: {path}: {error}")
        })
}
