//! Files that are made from the contract, and whether they are up to date.

use std::fs;

use contract::{Contract, Files, Problem, migration, nearest, types};
use harness::data::{PROGRAM, data};
use harness::scenario::Scenario;

use crate::{Status, no_folder};

/// A file that is made from the contract.
pub struct Generated {
    /// Its path below `contracts/`.
    path: &'static str,
    /// What it has to say.
    text: String,
    /// The command that writes it, after `cargo`.
    command: &'static str,
}

impl Generated {
    /// The TypeScript that frontends import.
    pub fn types(contract: &Contract) -> Result<Self, Problem> {
        Ok(Self {
            path: types::PATH,
            text: types::typescript(contract)?,
            command: "contracts types",
        })
    }

    /// The guide for clients that move. Fails with a claim that none of `scenarios` proves.
    pub fn migration(files: &Files, scenarios: &[Scenario]) -> Result<Self, Problem> {
        for proof in migration::proofs(files)? {
            let ids = || scenarios.iter().map(|scenario| scenario.id.as_str());
            if !ids().any(|id| id == proof.scenario) {
                let suggestion = nearest(&proof.scenario, ids())
                    .map(|near| format!("; did you mean {near}?"))
                    .unwrap_or_default();
                let words = format!("no scenario is called {}{suggestion}", proof.scenario);
                return Err(Problem::new(proof.place, words));
            }
        }
        Ok(Self {
            path: migration::PATH,
            text: migration::guide(files)?,
            command: "contracts migration",
        })
    }

    /// What is to be done if the file is not as it should be.
    pub fn stale(&self) -> Option<Problem> {
        // A file that cannot be read is as good as none: writing it says why.
        let written = data().read(&self.name());
        let current = written.is_ok_and(|written| written == self.text);
        let words = format!(
            "is not what the contract says: run `{PROGRAM} {}`",
            self.command
        );
        (!current).then(|| Problem::new(self.path, words))
    }

    /// Writes the file, or with `only_check` says whether it is up to date.
    pub fn finish(&self, only_check: bool) -> Status {
        let Some(folder) = data().folder() else {
            return no_folder();
        };
        let name = self.name();
        let Some(problem) = self.stale() else {
            println!("{name} is up to date");
            return Status::Kept;
        };
        if only_check {
            eprintln!("contracts/{problem}");
            return Status::Broken;
        }
        match fs::write(folder.join(&name), &self.text) {
            Ok(()) => {
                println!("{name} is written");
                Status::Kept
            }
            Err(error) => {
                eprintln!("{name} cannot be written: {error}");
                Status::Usage
            }
        }
    }

    fn name(&self) -> String {
        format!("contracts/{}", self.path)
    }
}
