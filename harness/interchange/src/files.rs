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
        if path.ends_with("/.json") || path.ends_with("..json") {
            return Err(Problem::new(
                source,
                "has no description to name a file after",
            ));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn files(paths: &[&str]) -> Files {
        let texts = paths
            .iter()
            .map(|path| ((*path).to_owned(), "new".to_owned()));
        Files {
            texts: texts.collect(),
            notes: Vec::new(),
        }
    }

    /// Every file below `root`, temporary ones too.
    fn written(root: &Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root.join("a")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(path).unwrap()));
        }
        found.sort();
        found
    }

    #[test]
    fn one_file_that_exists_keeps_all_from_being_written() {
        let root = tempfile::tempdir().unwrap();
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("a/2.json"), "old").unwrap();
        let files = files(&["a/1.json", "a/2.json"]);

        let problem = files.write(root.path(), Existing::Keep).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "a/2.json: exists already: --force replaces it"
        );
        assert_eq!(written(root.path()), [pair("2.json", "old")]);

        files.write(root.path(), Existing::Replace).unwrap();
        assert_eq!(
            written(root.path()),
            [pair("1.json", "new"), pair("2.json", "new")]
        );
    }

    #[rstest]
    #[case::words("A teacher's batch", "a_teacher_s_batch")]
    #[case::path("GET /v1/../x.", "get_v1_x")]
    #[case::nothing("…", "")]
    fn a_name_is_of_plain_letters(#[case] text: &str, #[case] name: &str) {
        assert_eq!(slug(text), name);
    }
}
