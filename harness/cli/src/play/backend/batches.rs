//! Whose each batch is, and how far. A batch comes into being with the first upload or pipeline that names it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// All batches since the start, by id.
#[derive(Default)]
pub struct Batches(Mutex<BTreeMap<String, Batch>>);

/// A batch.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose it is.
    pub owner: String,
    /// How far it is.
    pub progress: Progress,
}

/// How far a batch is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The pipeline that was asked for.
    pub pipeline: String,
    /// What the aggregator calls it.
    pub status: &'static str,
    /// The phase that runs.
    pub phase: Option<&'static str>,
}

impl Batches {
    /// The batch with this id, if there is one.
    pub fn get(&self, id: &str) -> Option<Batch> {
        self.lock().get(id).cloned()
    }

    /// Makes the batch with this id the one of `user`, unless it is somebody else's; says whether it is theirs.
    pub fn claim(&self, id: &str, user: &str) -> bool {
        let mut batches = self.lock();
        let batch = batches.entry(id.to_owned()).or_insert_with(|| Batch {
            owner: user.to_owned(),
            progress: Progress {
                pipeline: String::new(),
                status: "pending",
                phase: None,
            },
        });
        batch.owner == user
    }

    /// Notes how far the batch with this id is.
    pub fn progress(&self, id: &str, progress: Progress) {
        if let Some(batch) = self.lock().get_mut(id) {
            batch.progress = progress;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Writes itself into what the aggregator answers.
    pub fn write(&self, body: &mut Value) {
        body["overall_status"] = json!(self.status);
        body["current_phase"] = json!(self.phase);
        body["requested_pipeline"] = json!(Some(&self.pipeline).filter(|name| !name.is_empty()));
        let completed = match self.status {
            "completed_successfully" => &body["essay_count"],
            _ => &json!(0),
        };
        body["completed_essay_count"] = completed.clone();
    }
}
