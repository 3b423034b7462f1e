//! One edit of a schema, judged in both directions.

use contract::diff::Verdict::{self, Breaking, Risky, Safe};
use rstest::rstest;

use crate::{Versions, files};

/// The schema is what clients read in a message, and what they write in a request.
const ASYNCAPI: &str = "
servers: { ws: { protocol: ws } }
channels:
  c: { address: /ws, servers: [{ $ref: '#/servers/ws' }] }
operations:
  notify:
    action: send
    channel: { $ref: '#/channels/c' }
    messages: [{ name: ready, payload: { $ref: schema.json } }]
";
const OPENAPI: &str = "
paths:
  /things:
    post:
      requestBody: { content: { application/json: { schema: { $ref: schema.json } } } }
";

fn versions(base: &str, head: &str) -> Versions {
    let of = |schema| {
        files(&[
            ("asyncapi.yaml", ASYNCAPI),
            ("openapi.yaml", OPENAPI),
            ("schema.json", schema),
        ])
    };
    Versions {
        base: of(base),
        head: of(head),
    }
}

/// Who reads, who writes, the pointer, what stands at the place, and words of both sentences.
type Judged = (
    Verdict,
    Verdict,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

#[rstest]
// Listed values.
#[case::value_added(
    r#"{"properties": {"p": {"enum": ["low", "high"]}}}"#,
    r#"{"properties": {"p": {"enum": ["low", "urgent", "high"]}}}"#,
    (Breaking, Safe, "/p", "\"enum\"", "`p` may now also be \"urgent\"", "`p` may also be \"urgent\" now")
)]
#[case::value_removed(
    r#"{"properties": {"p": {"enum": ["low", "high"]}}}"#,
    r#"{"properties": {"p": {"enum": ["low"]}}}"#,
    (Safe, Breaking, "/p", "\"enum\"", "never \"high\" any more", "must not be \"high\" any more")
)]
#[case::constant_replaced(
    r#"{"properties": {"p": {"const": "ready"}}}"#,
    r#"{"properties": {"p": {"const": "done"}}}"#,
    (Breaking, Breaking, "/p", "\"const\"", "was always \"ready\" and is now always \"done\"", "now has to be \"done\"")
)]
#[case::constant_becomes_a_choice(
    r#"{"properties": {"p": {"const": "ready"}}}"#,
    r#"{"properties": {"p": {"enum": ["ready", "done"]}}}"#,
    (Breaking, Safe, "/p", "\"enum\"", "may now also be \"done\"", "may also be \"done\"")
)]
#[case::list_dropped(
    r#"{"properties": {"p": {"type": "string", "enum": ["low", "high"]}}}"#,
    r#"{"properties": {"p": {"type": "string"}}}"#,
    (Breaking, Safe, "/p", "\"enum\"", "may now be a string", "may now be a string")
)]
#[case::list_given(
    r#"{"properties": {"p": {"type": "string"}}}"#,
    r#"{"properties": {"p": {"type": "string", "enum": ["low", "high"]}}}"#,
    (Safe, Breaking, "/p", "\"enum\"", "now always \"low\" or \"high\"", "any other value is refused")
)]
#[case::null_listed(
    r#"{"properties": {"p": {"enum": ["low"]}}}"#,
    r#"{"properties": {"p": {"enum": ["low", null]}}}"#,
    (Breaking, Safe, "/p", "\"enum\"", "may now be null", "may also be null now")
)]
#[case::deep_in_a_list(
    r#"{"properties": {"list": {"items": {"properties": {"p": {"enum": [1, 2]}}}}}}"#,
    r#"{"properties": {"list": {"items": {"properties": {"p": {"enum": [1, 2, 3]}}}}}}"#,
    (Breaking, Safe, "/list/*/p", "\"enum\"", "`list.*.p` may now also be 3", "may also be 3")
)]
#[case::deep_in_a_map(
    r#"{"additionalProperties": {"type": "integer"}}"#,
    r#"{"additionalProperties": {"type": "number"}}"#,
    (Breaking, Safe, "/*", "\"type\"", "an integer and may now be a number", "may now be a number")
)]
// Types.
#[case::type_widened(
    r#"{"properties": {"p": {"type": "string"}}}"#,
    r#"{"properties": {"p": {"type": ["string", "integer"]}}}"#,
    (Breaking, Safe, "/p", "\"type\"", "may now be a string or an integer", "may now be a string or an integer")
)]
#[case::type_narrowed(
    r#"{"properties": {"p": {"type": "number"}}}"#,
    r#"{"properties": {"p": {"type": "integer"}}}"#,
    (Safe, Breaking, "/p", "\"type\"", "now always an integer", "has to be an integer now")
)]
#[case::type_replaced(
    r#"{"properties": {"p": {"type": "string"}}}"#,
    r#"{"properties": {"p": {"type": "integer"}}}"#,
    (Breaking, Breaking, "/p", "\"type\"", "code that reads it fails", "anything else is refused")
)]
#[case::type_dropped(
    r#"{"properties": {"p": {"type": "string"}}}"#,
    r#"{"properties": {"p": {}}}"#,
    (Breaking, Safe, "/p", "\"type\"", "may now be anything", "may now be anything")
)]
#[case::nullable(
    r#"{"properties": {"p": {"type": "string"}}}"#,
    r#"{"properties": {"p": {"type": ["string", "null"]}}}"#,
    (Breaking, Safe, "/p", "\"type\"", "code that uses it without a check", "a string or null")
)]
#[case::nullable_by_a_union(
    r#"{"properties": {"p": {"type": "string", "minLength": 1}}}"#,
    r#"{"properties": {"p": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]}}}"#,
    (Breaking, Safe, "/p", "\"type\"", "may now be null", "a string or null")
)]
#[case::no_longer_nullable(
    r#"{"properties": {"p": {"type": ["string", "null"]}}}"#,
    r#"{"properties": {"p": {"type": "string"}}}"#,
    (Safe, Breaking, "/p", "\"type\"", "now always a string", "has to be a string now")
)]
// Members.
#[case::required_member_added(
    r#"{"type": "object", "properties": {"a": {}}}"#,
    r#"{"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}"#,
    (Safe, Breaking, "/b", "\"b\": {}", "a client that does not know it ignores it", "has to be sent")
)]
#[case::optional_member_added(
    r#"{"type": "object", "properties": {"a": {}}}"#,
    r#"{"type": "object", "properties": {"a": {}, "b": {}}}"#,
    (Safe, Safe, "/b", "\"b\": {}", "`b` is new and may come", "`b` is new and may be sent")
)]
#[case::member_added_to_a_closed_object(
    r#"{"type": "object", "properties": {"a": {}}, "additionalProperties": false}"#,
    r#"{"type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": false}"#,
    (Safe, Safe, "/b", "\"b\": {}", "new", "new")
)]
#[case::required_member_removed(
    r#"{"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]}"#,
    r#"{"type": "object", "properties": {"a": {}}}"#,
    (Breaking, Risky, "/b", "\"b\": {}", "code that reads it finds nothing", "no effect")
)]
#[case::optional_member_removed(
    r#"{"type": "object", "properties": {"a": {}, "b": {}}}"#,
    r#"{"type": "object", "properties": {"a": {}}}"#,
    (Risky, Risky, "/b", "\"b\": {}", "no longer in the contract", "no longer in the contract")
)]
#[case::member_removed_from_a_closed_object(
    r#"{"type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": false}"#,
    r#"{"type": "object", "properties": {"a": {}}, "additionalProperties": false}"#,
    (Risky, Breaking, "/b", "\"b\": {}", "could be missing before", "a client that still sends it is refused")
)]
#[case::member_becomes_optional(
    r#"{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}"#,
    r#"{"type": "object", "properties": {"a": {"type": "string"}}}"#,
    (Breaking, Safe, "/a", "\"a\"", "`a` may now be missing", "`a` can now be left out")
)]
#[case::member_becomes_required(
    r#"{"type": "object", "properties": {"a": {"type": "string"}}}"#,
    r#"{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}"#,
    (Safe, Breaking, "/a", "\"a\"", "`a` is now always there", "a client that leaves it out is refused")
)]
#[case::secret_member_may_come(
    r#"{"type": "object", "properties": {"owner": false}}"#,
    r#"{"type": "object", "properties": {}}"#,
    (Risky, Safe, "/owner", "\"owner\"", "was never sent by contract", "may now be sent")
)]
#[case::object_opened(
    r#"{"type": "object", "properties": {"a": {}}, "additionalProperties": false}"#,
    r#"{"type": "object", "properties": {"a": {}}}"#,
    (Risky, Safe, "", "\"additionalProperties\"", "The message may now have members", "The body may now have members")
)]
#[case::object_closed(
    r#"{"type": "object", "properties": {"a": {}}}"#,
    r#"{"type": "object", "properties": {"a": {}}, "additionalProperties": false}"#,
    (Safe, Breaking, "", "\"additionalProperties\"", "no longer has members", "a client that sends more is refused")
)]
// Bounds and demands.
#[case::bound_looser(
    r#"{"properties": {"p": {"type": "integer", "maximum": 10}}}"#,
    r#"{"properties": {"p": {"type": "integer", "maximum": 20}}}"#,
    (Risky, Safe, "/p", "\"maximum\"", "was at most 10 and is now at most 20", "at most 20")
)]
#[case::bound_tighter(
    r#"{"properties": {"p": {"type": "string", "minLength": 1}}}"#,
    r#"{"properties": {"p": {"type": "string", "minLength": 8}}}"#,
    (Safe, Breaking, "/p", "\"minLength\"", "is now at least 8 characters", "What is outside is refused")
)]
#[case::bound_becomes_exclusive(
    r#"{"properties": {"p": {"type": "number", "minimum": 0}}}"#,
    r#"{"properties": {"p": {"type": "number", "exclusiveMinimum": 0}}}"#,
    (Safe, Breaking, "/p", "\"exclusiveMinimum\"", "is now more than 0", "is now more than 0")
)]
#[case::bound_dropped(
    r#"{"properties": {"p": {"type": "array", "minItems": 1}}}"#,
    r#"{"properties": {"p": {"type": "array"}}}"#,
    (Risky, Safe, "/p", "\"minItems\"", "no lower bound any more", "no lower bound any more")
)]
#[case::pattern_dropped(
    r#"{"properties": {"p": {"type": "string", "pattern": "^a"}}}"#,
    r#"{"properties": {"p": {"type": "string"}}}"#,
    (Risky, Safe, "/p", "\"pattern\"", "`^a`, and no longer has to", "no longer has to")
)]
#[case::pattern_given(
    r#"{"properties": {"p": {"type": "string"}}}"#,
    r#"{"properties": {"p": {"type": "string", "pattern": "^a"}}}"#,
    (Safe, Breaking, "/p", "\"pattern\"", "now has to match", "What is outside is refused")
)]
#[case::pattern_changed(
    r#"{"properties": {"p": {"type": "string", "pattern": "^a"}}}"#,
    r#"{"properties": {"p": {"type": "string", "pattern": "^b"}}}"#,
    (Risky, Risky, "/p", "\"pattern\"", "`^a`, and now `^b`", "may now be refused")
)]
#[case::format_changed(
    r#"{"properties": {"p": {"type": "string", "format": "date-time"}}}"#,
    r#"{"properties": {"p": {"type": "string", "format": "date"}}}"#,
    (Breaking, Breaking, "/p", "\"format\"", "`date-time`, and now `date`", "is refused")
)]
#[case::steps_are_larger(
    r#"{"properties": {"p": {"type": "integer", "multipleOf": 5}}}"#,
    r#"{"properties": {"p": {"type": "integer", "multipleOf": 10}}}"#,
    (Safe, Breaking, "/p", "\"multipleOf\"", "a multiple of `5`, and now `10`", "is refused")
)]
#[case::elements_may_repeat(
    r#"{"properties": {"p": {"type": "array", "uniqueItems": true}}}"#,
    r#"{"properties": {"p": {"type": "array"}}}"#,
    (Risky, Safe, "/p", "\"uniqueItems\"", "need not be any more", "need not be any more")
)]
// Alternatives and rules.
#[case::alternative_added(
    r#"{"oneOf": [{"properties": {"k": {"const": "a"}}, "required": ["k"]}, {"properties": {"k": {"const": "b"}}, "required": ["k"]}]}"#,
    r#"{"oneOf": [{"properties": {"k": {"const": "a"}}, "required": ["k"]}, {"properties": {"k": {"const": "c"}}, "required": ["k"]}, {"properties": {"k": {"const": "b"}}, "required": ["k"]}]}"#,
    (Breaking, Safe, "", r#"{"properties": {"k": {"const": "c"}}"#, "one more shape", "one more shape")
)]
#[case::alternative_removed(
    r#"{"anyOf": [{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}, {"type": "object", "required": ["c"]}]}"#,
    r#"{"anyOf": [{"type": "object", "required": ["c"]}, {"type": "object", "required": ["a"]}]}"#,
    (Safe, Breaking, "", r#"{"type": "object", "required": ["b"]}"#, "no longer has one", "must not have one")
)]
#[case::one_becomes_a_choice(
    r#"{"type": "object", "required": ["a"]}"#,
    r#"{"oneOf": [{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}]}"#,
    (Breaking, Safe, "", r#"{"type": "object", "required": ["b"]}"#, "one more shape", "one more shape")
)]
#[case::inside_a_tagged_alternative(
    r#"{"oneOf": [{"properties": {"k": {"const": "a"}}}, {"properties": {"k": {"const": "b"}, "n": {"type": "integer"}}}]}"#,
    r#"{"oneOf": [{"properties": {"k": {"const": "b"}, "n": {"type": "number"}}}, {"properties": {"k": {"const": "a"}}}]}"#,
    (Breaking, Safe, "/n", "\"type\"", "`n` was always an integer", "may now be a number")
)]
#[case::rule_changed(
    r#"{"if": {"properties": {"failed": {"minimum": 1}}}, "then": {"properties": {"p": {"const": "high"}}}}"#,
    r#"{"if": {"properties": {"failed": {"minimum": 2}}}, "then": {"properties": {"p": {"const": "high"}}}}"#,
    (Risky, Risky, "", "\"if\"", "about `failed` and `p` changed", "about `failed` and `p` changed")
)]
#[case::a_keyword_that_is_not_weighed(
    r#"{"type": "object", "propertyNames": {"pattern": "^a"}}"#,
    r#"{"type": "object", "propertyNames": {"pattern": "^b"}}"#,
    (Risky, Risky, "", "\"propertyNames\"", "`propertyNames` changed", "`propertyNames` changed")
)]
#[case::nothing_is_allowed(
    r#"{"properties": {"p": {"type": "array", "items": {"type": "string"}}}}"#,
    r#"{"properties": {"p": {"type": "array", "items": false}}}"#,
    (Safe, Breaking, "/p/*", "\"type\"", "now always nothing", "has to be nothing")
)]
// Words.
#[case::description(
    r#"{"description": "Old."}"#,
    r#"{"description": "New."}"#,
    (Safe, Safe, "", "\"description\"", "The description of the message changed.", "The description of the body changed.")
)]
#[case::deprecated(
    r#"{"properties": {"p": {"type": "string"}}}"#,
    r#"{"properties": {"p": {"type": "string", "deprecated": true}}}"#,
    (Safe, Safe, "/p", "\"deprecated\"", "`p` is deprecated now.", "`p` is deprecated now.")
)]
fn an_edit_of_a_schema_is_judged(#[case] base: &str, #[case] head: &str, #[case] judged: Judged) {
    let versions = versions(base, head);
    let findings = versions.findings();
    let (reader, writer, pointer, at, read, written) = judged;
    let expected = [
        ("message ready", reader, read),
        ("route POST /things request body", writer, written),
    ];
    assert_eq!(findings.len(), expected.len(), "{findings:#?}");
    for (finding, (subject, verdict, words)) in findings.iter().zip(expected) {
        assert_eq!(
            (&*finding.subject, finding.verdict, &*finding.pointer),
            (subject, verdict, pointer),
            "{finding:#?}"
        );
        assert!(finding.sentence.contains(words), "{finding:#?}");
        assert!(versions.at(finding).starts_with(at), "{finding:#?}");
    }
}

/// Two changes at once are two findings.
#[test]
fn added_and_removed_values_are_two_findings() {
    let versions = versions(r#"{"enum": ["a", "b"]}"#, r#"{"enum": ["b", "c"]}"#);
    let verdicts: Vec<Verdict> = versions.findings().iter().map(|f| f.verdict).collect();
    assert_eq!(verdicts, [Breaking, Safe, Safe, Breaking]);
}
