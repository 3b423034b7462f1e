//! What is written in another way and means the same is no finding.

use std::path::Path;

use contract::Contract;
use contract::diff::{diff, text};
use rstest::rstest;

use crate::{Versions, files};

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

#[rstest]
#[case::constant(r#"{"const": "a"}"#, r#"{"enum": ["a"]}"#)]
#[case::type_of_a_list(r#"{"enum": ["a", "b"]}"#, r#"{"type": "string", "enum": ["b", "a"]}"#)]
#[case::list_of_one_type(r#"{"type": "string"}"#, r#"{"type": ["string"]}"#)]
#[case::order(
    r#"{"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a", "b"]}"#,
    r#"{"required": ["b", "a"], "properties": {"b": {}, "a": {"type": "string"}}}"#
)]
#[case::all_of_one(
    r#"{"type": "string", "minLength": 1}"#,
    r#"{"allOf": [{"type": "string", "minLength": 1}]}"#
)]
#[case::all_of_two(
    r#"{"type": "object", "properties": {"a": {"type": "string"}, "b": {"const": 1}}, "required": ["a"]}"#,
    r#"{"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"type": "object", "properties": {"b": {"const": 1}}}]}"#
)]
#[case::constant_of_a_list(
    r#"{"allOf": [{"type": "string", "enum": ["a", "b"]}], "const": "a"}"#,
    r#"{"const": "a"}"#
)]
#[case::constant_that_fits_the_rest(
    r#"{"allOf": [{"type": "string", "minLength": 1, "pattern": "^a"}], "enum": ["a", "b"]}"#,
    r#"{"const": "a"}"#
)]
#[case::moved_definition(
    r##"{"definitions": {"d": {"type": "string"}}, "properties": {"a": {"$ref": "#/definitions/d"}}}"##,
    r#"{"properties": {"a": {"type": "string"}}}"#
)]
#[case::renamed_definition(
    r##"{"definitions": {"d": {"type": "string"}}, "properties": {"a": {"$ref": "#/definitions/d"}}}"##,
    r##"{"$defs": {"e": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/e"}}}"##
)]
#[case::nullable(
    r#"{"type": ["string", "null"], "minLength": 1}"#,
    r#"{"anyOf": [{"type": "null"}, {"type": "string", "minLength": 1}]}"#
)]
#[case::nullable_by_a_constant(
    r#"{"type": ["string", "null"]}"#,
    r#"{"oneOf": [{"type": "string"}, {"const": null}]}"#
)]
#[case::union_of_constants(
    r#"{"enum": ["a", "b"]}"#,
    r#"{"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}"#
)]
#[case::union_of_types(
    r#"{"type": ["string", "integer"], "minimum": 1}"#,
    r#"{"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}"#
)]
#[case::order_of_alternatives(
    r#"{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}"#,
    r#"{"oneOf": [{"required": ["b"]}, {"required": ["a"]}]}"#
)]
#[case::rule_in_other_words(
    r#"{"if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}}"#,
    r#"{"if": {"properties": {"a": {"enum": [1]}}}, "then": {"required": ["b"]}, "else": true}"#
)]
#[case::foreign_keyword(r#"{"type": "string"}"#, r#"{"type": "string", "minimum": 3}"#)]
#[case::default_of_a_keyword(
    r#"{"type": ["array", "object"]}"#,
    r#"{"type": ["array", "object"], "minItems": 0, "uniqueItems": false, "items": true, "additionalProperties": true, "required": []}"#
)]
#[case::whole_number(r#"{"const": 1}"#, r#"{"const": 1.0}"#)]
#[case::bound_of_a_whole_number(
    r#"{"type": "integer", "minimum": 1}"#,
    r#"{"type": "integer", "exclusiveMinimum": 0}"#
)]
#[case::everything("true", "{}")]
#[case::annotations(
    r#"{"title": "A", "$id": "https://a.example", "$comment": "a", "examples": [1]}"#,
    r#"{"title": "B", "$id": "https://b.example", "x-note": 1}"#
)]
#[case::wrapped_words(r#"{"description": "One two."}"#, r#"{"description": "One\n two.\n"}"#)]
#[case::closed_without_a_member(
    r#"{"type": "object", "additionalProperties": false}"#,
    r#"{"type": "object", "properties": {"a": false}, "additionalProperties": false}"#
)]
fn another_way_to_say_the_same_is_no_finding(#[case] base: &str, #[case] head: &str) {
    for (base, head) in [(base, head), (head, base)] {
        let of = |schema| files(&[("asyncapi.yaml", ASYNCAPI), ("schema.json", schema)]);
        let versions = Versions {
            base: of(base),
            head: of(head),
        };
        assert_eq!(versions.findings(), []);
    }
}

#[test]
fn the_contract_of_this_repository_is_the_same_as_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let contract = Contract::of_folder(&folder).unwrap();
    let findings = diff(&contract, &contract);
    assert_eq!(findings, []);
    assert_eq!(text(&findings), "no difference that anybody would notice\n");
}
