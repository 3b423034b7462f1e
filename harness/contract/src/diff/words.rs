//! What a change of a schema means for those who read or write the values: the verdict, and the sentence.
//!
//! Who reads is broken by values that are new, who writes by values that are no longer taken. Three exceptions, which
//! follow from what the contract asks of clients:
//! - a new member is safe for a client, which ignores members that it does not know (`schemas/notifications/common.json`);
//! - a looser bound, pattern or number of members is risky and not breaking for a reader: few programs depend on it;
//! - a member that is no longer known is never safe: somebody may show it, or send it in vain.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Verdict;
use super::change::{Change, Effect, Member, Unlisted, What};
use super::shape::{Bound, LOWER};
use super::types::{TYPES, Type};

/// Who has to do with the values of a schema.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// The services send it, and clients read it.
    ClientReads,
    /// Clients send it.
    ClientWrites,
    /// The gateway sends it, and this service behind it reads it.
    ServiceReads(String),
}

/// What `change` means for `role`; `noun` is what the whole is called, such as `the message`.
pub(super) fn judged(change: &Change, role: &Role, noun: &str) -> (Verdict, String) {
    let label = label(&change.pointer, noun);
    let verdict = verdict(&change.what, role);
    let sentence = match role {
        Role::ClientReads => read(&change.what, &label, "a client"),
        Role::ServiceReads(service) => {
            read(&change.what, &label, &format!("the {service} service"))
        }
        Role::ClientWrites => written(&change.what, &label),
    };
    let mut sentence = capital(&sentence);
    if let Role::ServiceReads(_) = role {
        sentence.push_str(" Clients do not see this.");
    }
    (verdict, sentence)
}

fn verdict(what: &What, role: &Role) -> Verdict {
    let reads = !matches!(role, Role::ClientWrites);
    match what {
        What::MemberAdded(_) if matches!(role, Role::ClientReads) => Verdict::Safe,
        // Nothing asks the services behind to ignore members that they do not know.
        What::MemberAdded(_) if reads => Verdict::Risky,
        What::MemberAdded(Member { required, .. }) => breaking_if(*required, Verdict::Safe),
        What::MemberRemoved(Member { required, .. }) if reads => {
            breaking_if(*required, Verdict::Risky)
        }
        // Clients that still send it are refused where the object is closed, and ignored where it is open.
        What::MemberRemoved(Member { unlisted, .. }) => {
            breaking_if(*unlisted == Unlisted::Nothing, Verdict::Risky)
        }
        What::Bound(..) | What::Opened | What::NoLongerRuledOut if reads => match what.effect() {
            Effect::Grows => Verdict::Risky,
            _ => Verdict::Safe,
        },
        What::Demand(keyword, ..) if reads && *keyword != "format" => match what.effect() {
            Effect::Shrinks => Verdict::Safe,
            _ => Verdict::Risky,
        },
        What::Demand("format", ..) if reads && what.effect() == Effect::Grows => Verdict::Risky,
        _ => match (what.effect(), reads) {
            (Effect::Nothing, _) | (Effect::Shrinks, true) | (Effect::Grows, false) => {
                Verdict::Safe
            }
            (Effect::Both, _) | (Effect::Grows, true) | (Effect::Shrinks, false) => {
                Verdict::Breaking
            }
            (Effect::Unclear, _) => Verdict::Risky,
        },
    }
}

fn breaking_if(condition: bool, otherwise: Verdict) -> Verdict {
    if condition {
        Verdict::Breaking
    } else {
        otherwise
    }
}

/// The sentence for who reads it.
fn read(what: &What, label: &str, reader: &str) -> String {
    match what {
        What::ValuesAdded(values) if *values == [Value::Null] => {
            format!("{label} may now be null: code that uses it without a check fails.")
        }
        What::ValuesAdded(values) => format!(
            "{label} may now also be {}: code that knows only the former values has no case for it.",
            listed(values, "or")
        ),
        What::ValuesRemoved(values) => {
            format!("{label} is never {} any more.", listed(values, "or"))
        }
        What::ValuesReplaced(from, to) => format!(
            "{label} was always {} and is now always {}: code that compares with the former value never matches.",
            listed(from, "or"),
            listed(to, "or")
        ),
        What::Listed(values) => format!("{label} is now always {}.", listed(values, "or")),
        What::Unlisted(values, types) => format!(
            "{label} was always {} and may now be {}.",
            listed(values, "or"),
            any(types)
        ),
        What::Types(from, to) => match what.effect() {
            Effect::Shrinks => format!("{label} is now always {}; it was {}.", any(to), any(from)),
            Effect::Grows if added(from, to) == [Type::Null].into() => {
                format!("{label} may now be null: code that uses it without a check fails.")
            }
            Effect::Grows => format!(
                "{label} was always {} and may now be {}.",
                any(from),
                any(to)
            ),
            _ => format!(
                "{label} was {} and is now {}: code that reads it fails.",
                any(from),
                any(to)
            ),
        },
        What::MemberAdded(Member { required, .. }) => {
            let comes = if *required { "comes" } else { "may come" };
            match reader {
                "a client" => format!(
                    "{label} is new and {comes} with it; a client that does not know it ignores it."
                ),
                _ => format!(
                    "{label} is new and {comes} with it; {reader} has to take it or ignore it."
                ),
            }
        }
        What::MemberRemoved(Member { required: true, .. }) => {
            format!("{label} is no longer sent: code that reads it finds nothing.")
        }
        What::MemberRemoved(_) => format!(
            "{label} is no longer in the contract. It could be missing before; what {reader} does with it now never happens."
        ),
        What::NoLongerRequired => {
            format!("{label} may now be missing: code that reads it without a check fails.")
        }
        What::NowRequired => format!("{label} is now always there."),
        What::NoLongerRuledOut => format!("{label} was never sent by contract, and now may be."),
        What::NowRuledOut => format!("{label} is never sent."),
        What::Opened => format!(
            "{label} may now have members that the contract does not name: {reader} has to ignore them."
        ),
        What::Closed => format!("{label} no longer has members that the contract does not name."),
        What::Bound(keyword, from, to) => bound(keyword, *from, *to, label),
        What::Demand(keyword, from, to) => demand(keyword, from, to, label),
        What::BranchAdded => format!(
            "{label} may now have one more shape: code that knows only the former shapes has no case for it."
        ),
        What::BranchRemoved => format!("{label} no longer has one of its shapes."),
        What::UnionAdded => format!("{label} now has one of a few shapes."),
        What::UnionRemoved => {
            format!("{label} had one of a few shapes, and the contract no longer says so.")
        }
        other => unweighed(other, label),
    }
}

/// The sentence for who writes it.
fn written(what: &What, label: &str) -> String {
    match what {
        What::ValuesAdded(values) => format!("{label} may also be {} now.", listed(values, "or")),
        What::ValuesRemoved(values) => format!(
            "{label} must not be {} any more: whoever sends it is refused.",
            listed(values, "or")
        ),
        What::ValuesReplaced(from, to) => format!(
            "{label} had to be {} and now has to be {}: whoever sends the former value is refused.",
            listed(from, "or"),
            listed(to, "or")
        ),
        What::Listed(values) => format!(
            "{label} has to be {} now: any other value is refused.",
            listed(values, "or")
        ),
        What::Unlisted(values, types) => format!(
            "{label} had to be {} and may now be {}.",
            listed(values, "or"),
            any(types)
        ),
        What::Types(from, to) => match what.effect() {
            Effect::Grows => format!(
                "{label} had to be {} and may now be {}.",
                any(from),
                any(to)
            ),
            _ => format!(
                "{label} could be {} and has to be {} now: anything else is refused.",
                any(from),
                any(to)
            ),
        },
        What::MemberAdded(Member { required: true, .. }) => {
            format!("{label} is new and has to be sent: a client that does not know it is refused.")
        }
        What::MemberAdded(_) => format!("{label} is new and may be sent."),
        What::MemberRemoved(Member {
            unlisted: Unlisted::Nothing,
            ..
        }) => {
            format!("{label} must not be sent any more: a client that still sends it is refused.")
        }
        What::MemberRemoved(_) => format!(
            "{label} is no longer in the contract: what a client still sends there has no effect."
        ),
        What::NoLongerRequired => format!("{label} can now be left out."),
        What::NowRequired => {
            format!("{label} has to be sent now: a client that leaves it out is refused.")
        }
        What::NoLongerRuledOut => format!("{label} was refused, and may now be sent."),
        What::NowRuledOut => {
            format!("{label} must not be sent: a client that sends it is refused.")
        }
        What::Opened => format!("{label} may now have members that the contract does not name."),
        What::Closed => format!(
            "{label} must not have members that the contract does not name: a client that sends more is refused."
        ),
        What::Bound(keyword, from, to) => refused(what, bound(keyword, *from, *to, label)),
        What::Demand(keyword, from, to) => refused(what, demand(keyword, from, to, label)),
        What::BranchAdded => format!("{label} may now have one more shape."),
        What::BranchRemoved => {
            format!(
                "{label} must not have one of its former shapes any more: whoever sends it is refused."
            )
        }
        What::UnionAdded => {
            format!("{label} has to have one of a few shapes now: anything else is refused.")
        }
        What::UnionRemoved => format!("{label} no longer has to have one of a few shapes."),
        other => unweighed(other, label),
    }
}

/// The sentences that are the same for both.
fn unweighed(what: &What, label: &str) -> String {
    match what {
        What::Condition(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "The rule in {label} about {} changed (if, then, else): compare the two by eye.",
                joined(&names, "and")
            )
        }
        What::Other(keyword) => {
            format!(
                "What {label} has to be by the keyword `{keyword}` changed: compare the two by eye."
            )
        }
        What::Deprecated(true) => format!("{label} is deprecated now."),
        What::Deprecated(false) => format!("{label} is no longer deprecated."),
        _ => format!("The description of {label} changed."),
    }
}

fn refused(what: &What, sentence: String) -> String {
    match what.effect() {
        Effect::Grows => sentence,
        Effect::Unclear => format!("{sentence} What was accepted may now be refused."),
        _ => format!("{sentence} What is outside is refused."),
    }
}

fn bound(keyword: &str, from: Option<Bound>, to: Option<Bound>, label: &str) -> String {
    let lower = LOWER.contains(&keyword);
    let (of, unit) = match keyword {
        "minLength" | "maxLength" => ("The length of ", " characters"),
        "minItems" | "maxItems" => ("The number of elements of ", ""),
        "minProperties" | "maxProperties" => ("The number of members of ", ""),
        _ => ("", ""),
    };
    let said = |bound: Bound| {
        let relation = match (lower, bound.exclusive) {
            (true, false) => "at least",
            (true, true) => "more than",
            (false, false) => "at most",
            (false, true) => "less than",
        };
        format!("{relation} {}{unit}", bound.value)
    };
    let end = if lower { "lower" } else { "upper" };
    match (from, to) {
        (Some(from), Some(to)) => {
            format!("{of}{label} was {} and is now {}.", said(from), said(to))
        }
        (Some(from), None) => {
            format!(
                "{of}{label} was {} and has no {end} bound any more.",
                said(from)
            )
        }
        (None, Some(to)) => format!("{of}{label} is now {}.", said(to)),
        (None, None) => unreachable!("a bound that did not change is no finding"),
    }
}

fn demand(keyword: &str, from: &BTreeSet<String>, to: &BTreeSet<String>, label: &str) -> String {
    let said = |demands: &BTreeSet<String>| {
        let quoted: Vec<String> = demands.iter().map(|text| format!("`{text}`")).collect();
        joined(&quoted, "and")
    };
    let words = match keyword {
        "pattern" => "match the pattern",
        "format" => "have the format",
        "multipleOf" => "be a multiple of",
        _ => {
            return match to.is_empty() {
                true => {
                    format!("The elements of {label} were all different, and need not be any more.")
                }
                false => format!("The elements of {label} are now all different."),
            };
        }
    };
    match (from.is_empty(), to.is_empty()) {
        (true, _) => format!("{label} now has to {words} {}.", said(to)),
        (_, true) => format!(
            "{label} had to {words} {}, and no longer has to.",
            said(from)
        ),
        _ => format!(
            "{label} had to {words} {}, and now {}.",
            said(from),
            said(to)
        ),
    }
}

/// What is at `pointer`, in words: `data.priority`.
fn label(pointer: &str, noun: &str) -> String {
    match pointer.strip_prefix('/') {
        None => noun.to_owned(),
        Some("*") => format!("every element of {noun}"),
        Some(path) => {
            let names: Vec<String> = path
                .split('/')
                .map(|name| name.replace("~1", "/").replace("~0", "~"))
                .collect();
            format!("`{}`", names.join("."))
        }
    }
}

fn listed(values: &[Value], last: &str) -> String {
    let words: Vec<String> = values.iter().map(Value::to_string).collect();
    joined(&words, last)
}

fn joined(words: &[String], last: &str) -> String {
    match words {
        [] => "nothing".to_owned(),
        [word] => word.clone(),
        [words @ .., end] => format!("{} {last} {end}", words.join(", ")),
    }
}

/// A value of any of `types`, in words.
fn any(types: &BTreeSet<Type>) -> String {
    if types.len() == TYPES.len() {
        return "anything".to_owned();
    }
    let words: Vec<String> = types
        .iter()
        .filter(|kind| !(**kind == Type::Integer && types.contains(&Type::Fraction)))
        .map(|kind| match kind {
            Type::String => "a string",
            Type::Integer => "an integer",
            Type::Fraction if types.contains(&Type::Integer) => "a number",
            Type::Fraction => "a number with a fraction",
            Type::Boolean => "a boolean",
            Type::Object => "an object",
            Type::Array => "an array",
            Type::Null => "null",
        })
        .map(str::to_owned)
        .collect();
    joined(&words, "or")
}

fn added(from: &BTreeSet<Type>, to: &BTreeSet<Type>) -> BTreeSet<Type> {
    to.difference(from).copied().collect()
}

/// `sentence` with a capital at its start.
pub(super) fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
