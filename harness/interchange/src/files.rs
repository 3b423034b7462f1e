//! The fixtures that an import makes, written all or none.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use contract::Problem;
use harness::fixture::{self, FixtureError};
use serde_json::Value;
use tempfile::NamedTempFile;

/// Files that are to be written, by path relative to the workspace, and what there is to say about them.
#[derive(Debug, Default)]
pub struct Files {
    /// The text of each.
    pub texts: BTreeMap<String, String>,
    /// What was left out on purpose, a sentence each.
    pub notes: Vec<String>,
}

impl Files {
    /// Adds `fixture` as the file `path`. `source` is what it comes from, for messages. Fails if it is no good fixture,
    /// or is a second one of that name.
    pub fn add(&mut self, source: &str, path: String, fixture: &Value) -> Result<(), Problem> {
        let mut text = serde_json::to_string_pretty(fixture)
            .unwrap_or_else(|error| panic!("JSON can be written: {error}"));
        text.push('\n');
        let read = if path.starts_with(fixture::NOTIFICATIONS) {
            fixture::notification_from(&path, &text).err()
        } else {
            fixture::interaction_from(&path, &text).err()
        };
        if let Some(FixtureError { problem, .. }) = read {
            return Err(Problem::new(source, problem));
        }
        if self.texts.contains_key(&path) {
            let words = format!("would be {path}, and so would another: give it another name");
            return Err(Problem::new(source, words));
        }
        self.texts.insert(path, text);
        Ok(())
    }

    /// Writes all files below `root`, or none of them. Existing files are replaced only by force.
    pub fn write(&self, root: &Path, existing: Existing) -> Result<(), Problem> {
        let problem = |path: &str, words: String| Problem::new(path, words);
        let mut ready = Vec::new();
        for (path, text) in &self.texts {
            let file = root.join(path);
            if matches!(existing, Existing::Keep) && file.exists() {
                return Err(problem(path, "exists already: --force replaces it".into()));
            }
            let words =
                |error: std::io::Error| problem(path, format!("cannot be written: {error}"));
            let folder = file.parent().unwrap_or(root);
            fs::create_dir_all(folder).map_err(words)?;
            let mut beside = NamedTempFile::new_in(folder).map_err(words)?;
            beside.write_all(text.as_bytes()).map_err(words)?;
            ready.push((path, file, beside));
        }
        // Everything is on the disk: what is left can hardly fail.
        for (path, file, beside) in ready {
            beside
                .persist(file)
                .map_err(|error| problem(path, format!("cannot be written: {}", error.error)))?;
        }
        Ok(())
    }
}

/// What happens to files that exist already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing is written then.
    Keep,
    /// They are replaced.
    Replace,
}

/// `text` as a file's name: `a teacher's batch` is `a_teacher_s_batch`.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    slug.truncate(60);
    slug.trim_end_matches('_').to_owned()
}
