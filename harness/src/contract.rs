//! The contract in `contracts/`, read once, and the rules that follow from it.

use std::sync::LazyLock;

use contract::{Contract, Problem, Rules};

use crate::data::data;
use crate::fixture::FixtureError;

static CONTRACT: LazyLock<Result<(Contract, Rules), Problem>> = LazyLock::new(|| {
    let contract = Contract::read(&data().contract()?)?;
    let rules = Rules::new(&contract)?;
    Ok((contract, rules))
});

/// The contract. Fails with the document that cannot be used.
pub fn contract() -> Result<&'static Contract, FixtureError> {
    read().map(|(contract, _)| contract)
}

/// The rules that follow from it.
pub fn rules() -> Result<&'static Rules, FixtureError> {
    read().map(|(_, rules)| rules)
}

fn read() -> Result<&'static (Contract, Rules), FixtureError> {
    CONTRACT.as_ref().map_err(|problem| FixtureError {
        place: format!("contracts/{}", problem.place),
        problem: problem.problem.clone(),
    })
}
