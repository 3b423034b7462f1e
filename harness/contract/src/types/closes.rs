//! The closes that the service begins: a table of values, the types of codes and reasons, and the reasons' checks.

use std::collections::BTreeMap;

use super::interface::{Interface, union};
use super::shape::{Definition, pascal_case};
use super::text::{comment, key, literal};
use crate::document::Problem;
use crate::model::{ASYNCAPI, Close, Contract};

/// A reason, and the closes that have it.
pub struct Reason<'a> {
    /// Its type.
    pub interface: Interface,
    closes: Vec<&'a Close>,
}

/// The reasons of the closes. Several closes may share one, which is named after the file of its schema.
pub fn reasons<'a>(
    contract: &'a Contract,
    shared: &mut Vec<Definition>,
) -> Result<Vec<Reason<'a>>, Problem> {
    if contract.closes.is_empty() {
        return Err(Problem::new(ASYNCAPI, "has no x-closes on a channel"));
    }
    let documents = &contract.documents;
    let mut reasons: Vec<Reason<'a>> = Vec::new();
    for close in contract.closes.iter().filter(|one| one.reason.is_some()) {
        let (location, _) = documents.resolve(&close.location.member("reason"))?;
        let known = reasons
            .iter_mut()
            .find(|reason| reason.interface.location == location);
        if let Some(reason) = known {
            reason.closes.push(close);
            continue;
        }
        let file = location.path.rsplit('/').next().unwrap_or_default();
        let name = match location.pointer.as_str() {
            "" => file.split('.').next().unwrap_or_default(),
            _ => &close.name,
        };
        let name = format!("{}Reason", pascal_case(name));
        reasons.push(Reason {
            interface: Interface::read(documents, name, location, "error_code", shared)?,
            closes: vec![close],
        });
    }
    Ok(reasons)
}

/// The closes as values, for programs that decide by them and for pages that show them, and the types of their codes.
pub fn table(contract: &Contract, reasons: &[Reason]) -> String {
    let rows: String = contract
        .closes
        .iter()
        .map(|close| {
            let error_codes: Vec<String> = reasons
                .iter()
                .filter(|reason| reason.closes.contains(&close))
                .flat_map(|reason| &reason.interface.tags)
                .map(|code| literal(code))
                .collect();
            format!(
                "  {}: {{\n    code: {},\n    errorCodes: [{}],\n    when: {},\n    client: {},\n  }},\n",
                key(&close.name),
                close.code,
                error_codes.join(", "),
                literal(&close.when),
                literal(&close.client),
            )
        })
        .collect();
    let words = "Every close that the service begins: its code, the error codes of its reason, when it comes and what \
                 the client should do.";
    format!(
        "{}export const CLOSES = {{\n{rows}}} as const;\n\n\
         export type CloseName = keyof typeof CLOSES;\n\n\
         /** The code of a close that the service begins, by the names in {{@link CLOSES}}. */\n{}",
        comment(words, 0),
        union("CloseCode", codes(contract))
    )
}

/// Every code, with the names of its closes.
fn codes(contract: &Contract) -> impl Iterator<Item = (String, String)> {
    let mut codes: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for close in &contract.closes {
        codes.entry(close.code).or_default().push(&close.name);
    }
    codes
        .into_iter()
        .map(|(code, names)| (names.join(", "), code.to_string()))
}

/// The checks of the reasons by the code of the close: a reason that belongs to another code is none of the service's.
pub fn checks(reasons: &[Reason]) -> String {
    let mut text = String::new();
    let mut codes: BTreeMap<u16, String> = BTreeMap::new();
    for Reason { interface, closes } in reasons {
        let name = &interface.name;
        text += &format!(
            "const is{name}: Check<{name}> = {};\n\n",
            interface.check(0)
        );
        let mut of_reason: Vec<u16> = closes.iter().map(|close| close.code).collect();
        of_reason.sort_unstable();
        of_reason.dedup();
        for code in of_reason {
            let check = codes.remove(&code).map_or_else(
                || format!("is{name}"),
                |other| format!("either({other}, is{name})"),
            );
            codes.insert(code, check);
        }
    }
    let entries: String = codes
        .iter()
        .map(|(code, check)| format!("  [{code}, {check}],\n"))
        .collect();
    format!("{text}const REASON_CHECKS = new Map<number, Check<CloseReason>>([\n{entries}]);\n")
}
