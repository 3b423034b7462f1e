//! What `types::typescript` makes of schemas and closes, and of what TypeScript has no words for.

use std::fs;
use std::path::Path;

use contract::{Contract, Files, Problem, types};
use rstest::rstest;

const ASYNCAPI: &str = "
info: { version: 1.2.3 }
servers:
  websocket: { protocol: ws }
channels:
  clients:
    servers: [{ $ref: '#/servers/websocket' }]
    x-closes:
      gone: { code: 1001, when: At the end., client: Come back. }
      full: { code: 4000, reason: { $ref: closes/full.json } }
      many: { code: 4000, reason: { $ref: closes/too_many.json } }
      more: { code: 4001, reason: { $ref: closes/full.json } }
operations:
  notify:
    action: send
    channel: { $ref: '#/channels/clients' }
    messages: [{ $ref: '#/components/messages/thing_done' }]
components:
  messages:
    thing_done: { name: thing_done, payload: { $ref: thing.json } }
";
const FULL: &str = r#"{"type": "object", "required": ["error_code"],
    "properties": {"error_code": {"enum": ["FULL", "FULLER"]}, "message": {"type": "string"}}}"#;
const TOO_MANY: &str = r#"{"type": "object", "required": ["error_code"],
    "properties": {"error_code": {"const": "TOO_MANY"}}}"#;
const SHARED: &str = r##"{"definitions": {
    "colour": {"description": "A colour.", "enum": ["red", "blue"]},
    "point": {"type": "object", "properties": {"x": {"type": "number"}, "c": {"$ref": "#/definitions/colour"}}},
    "name": {"description": "A name.", "type": "string"},
    "close_code": {"enum": ["a", "b"]},
    "1st": {"enum": ["a", "b"]}}}"##;

/// The file of a contract whose one message has the member `data` with `schema`, which begins on the third line.
fn generated(schema: &str) -> Result<String, Problem> {
    generated_from(&format!(
        r#"{{"description": "A thing is done.", "type": "object", "required": ["event", "data"],
        "properties": {{"event": {{"const": "thing_done"}},
"data": {schema}}}}}"#
    ))
}

fn generated_from(thing: &str) -> Result<String, Problem> {
    generated_by(ASYNCAPI, thing)
}

fn generated_by(asyncapi: &str, thing: &str) -> Result<String, Problem> {
    let files = [
        ("asyncapi.yaml", asyncapi),
        ("closes/full.json", FULL),
        ("closes/too_many.json", TOO_MANY),
        ("shared.json", SHARED),
        ("thing.json", thing),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    types::typescript(&Contract::read(&Files(files.into()))?)
}

#[track_caller]
fn assert_says(file: &str, lines: &str) {
    assert!(file.contains(lines), "expected\n{lines}\nin\n{file}");
}

#[rstest]
#[case::string(r#"{"type": "string"}"#, "string", "isString")]
#[case::number(r#"{"type": "number"}"#, "number", "isNumber")]
#[case::integer(r#"{"type": "integer", "minimum": 0}"#, "number", "isInteger")]
#[case::boolean(r#"{"type": "boolean"}"#, "boolean", "isBoolean")]
#[case::null(r#"{"type": "null"}"#, "null", "isNull")]
#[case::nullable(
    r#"{"type": ["string", "null"]}"#,
    "string | null",
    "either(isString, isNull)"
)]
#[case::constant(r#"{"const": false}"#, "false", "oneOf(false)")]
#[case::words(
    r#"{"enum": ["a\"b", "c", null]}"#,
    r#""a\"b" | "c" | null"#,
    r#"oneOf("a\"b", "c", null)"#
)]
#[case::list(
    r#"{"type": "array", "items": {"type": "string"}}"#,
    "string[]",
    "arrayOf(isString)"
)]
#[case::list_of_alternatives(
    r#"{"type": "array", "items": {"type": ["string", "null"]}}"#,
    "Array<string | null>",
    "arrayOf(either(isString, isNull))"
)]
#[case::list_of_anything(
    r#"{"type": "array"}"#,
    "unknown[]",
    "arrayOf((value): value is unknown => value !== undefined)"
)]
#[case::map(
    r#"{"type": "object", "additionalProperties": {"type": "integer"}}"#,
    "Record<string, number>",
    "recordOf(isInteger)"
)]
#[case::map_of_anything(
    r#"{"type": "object"}"#,
    "Record<string, unknown>",
    "recordOf((value): value is unknown => value !== undefined)"
)]
#[case::object(
    r#"{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}"#,
    "{\n    a: string;\n  }",
    "object({\n      a: isString,\n    })"
)]
#[case::optional(
    r#"{"type": "object", "properties": {"a-b": {"type": "string"}}}"#,
    "{\n    \"a-b\"?: string;\n  }",
    "object({}, {\n      \"a-b\": isString,\n    })"
)]
#[case::alternatives(
    r#"{"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]}"#,
    "string | number | null",
    "either(isString, either(isNumber, isNull))"
)]
#[case::shared_words(
    r#"{"$ref": "shared.json#/definitions/colour"}"#,
    "Colour",
    r#"oneOf("red", "blue")"#
)]
#[case::shared_primitive(r#"{"$ref": "shared.json#/definitions/name"}"#, "string", "isString")]
#[case::narrowed(
    r#"{"allOf": [{"$ref": "shared.json#/definitions/colour"}], "const": "red"}"#,
    r#""red""#,
    r#"oneOf("red")"#
)]
fn a_schema_is_a_type_and_a_check_of_it(
    #[case] schema: &str,
    #[case] expected: &str,
    #[case] check: &str,
) {
    let file = generated(schema).unwrap();
    assert_says(&file, &format!("  data: {expected};\n}}\n"));
    assert_says(
        &file,
        &format!(
            "  thing_done: object({{\n    event: oneOf(\"thing_done\"),\n    data: {check},\n  }}),\n"
        ),
    );
}

#[test]
fn a_shared_definition_is_declared_once_and_after_those_that_it_needs() {
    let point = r#"{"$ref": "shared.json#/definitions/point"}"#;
    let two = format!(r#"{{"type": "object", "properties": {{"a": {point}, "b": {point}}}}}"#);
    let file = generated(&two).unwrap();
    assert_says(
        &file,
        "/** A colour. */\nexport type Colour =\n  | \"red\"\n  | \"blue\";\n\n\
         export interface Point {\n  x?: number;\n  c?: Colour;\n}\n\n\
         /** A thing is done. */",
    );
    assert_says(&file, "    a?: Point;\n    b?: Point;\n");
    assert_eq!(file.matches("interface Point").count(), 1);
}

#[rstest]
#[case::description(
    r#"{"description": "So it is.", "type": "string"}"#,
    "  /** So it is. */\n"
)]
#[case::format(
    r#"{"description": "When.", "type": "string", "format": "date-time"}"#,
    "  /** When. Format: date-time. */\n"
)]
#[case::end_of_a_comment(
    r#"{"description": "a */ b", "type": "string"}"#,
    "  /** a *\\/ b */\n"
)]
#[case::of_a_shared_primitive(r#"{"$ref": "shared.json#/definitions/name"}"#, "  /** A name. */\n")]
#[case::of_what_it_narrows(
    r#"{"allOf": [{"$ref": "shared.json#/definitions/colour"}], "const": "red"}"#,
    "  /** See {@link Colour}. */\n"
)]
#[case::its_own_rather_than_what_it_narrows(
    r#"{"description": "Red.", "allOf": [{"$ref": "shared.json#/definitions/colour"}], "const": "red"}"#,
    "  /** Red. */\n"
)]
#[case::conditions_on_two_lines(
    r#"{"description": "Of two.", "type": "object", "if": {}, "then": {}}"#,
    "  /**\n   * Of two. How the fields depend on one another is not expressed here and not checked: see if, then and else \
     in\n   * thing.json.\n   */\n"
)]
fn a_comment_says_what_the_schema_says(#[case] schema: &str, #[case] comment: &str) {
    let file = generated(schema).unwrap();
    assert_says(&file, &format!("\n{comment}  data: "));
}

#[rstest]
#[case::one_of(r#"{"oneOf": []}"#, "thing.json:3:10: oneOf cannot be expressed")]
#[case::misspelt(r#"{"typ": "string"}"#, "thing.json:3:10: typ cannot be expressed")]
#[case::nothing("false", "thing.json:3:1: no value fits")]
#[case::unknown_type(
    r#"{"type": "text"}"#,
    "thing.json:3:10: expected a type of JSON Schema, got \"text\""
)]
#[case::no_type(r#"{"properties": {}}"#, "thing.json:3:10: properties without a type")]
#[case::intersection(r#"{"allOf": [{}, {}]}"#, "thing.json:3:10: allOf cannot be expressed")]
#[case::extension(
    r#"{"type": "object", "allOf": [{}]}"#,
    "thing.json:3:28: allOf beside type cannot be expressed"
)]
#[case::no_alternatives(r#"{"anyOf": []}"#, "thing.json:3:10: expected a list of schemas")]
#[case::constant_object(r#"{"const": {}}"#, "thing.json:3:10: const cannot be expressed")]
#[case::no_words(r#"{"enum": []}"#, "thing.json:3:10: enum cannot be expressed")]
#[case::tuple(
    r#"{"type": "array", "items": [{}]}"#,
    "thing.json:3:27: a list of schemas in items"
)]
#[case::not_described(
    r#"{"type": "object", "required": ["a"]}"#,
    "thing.json:3:28: a is required, but"
)]
#[case::known_and_further(
    r#"{"type": "object", "properties": {"a": {}}, "additionalProperties": {}}"#,
    "thing.json:3:53: a schema for further properties"
)]
#[case::name_of_the_file_itself(
    r#"{"$ref": "shared.json#/definitions/close_code"}"#,
    "shared.json:5:5: the type CloseCode would be declared twice: it is in every generated file too"
)]
#[case::no_name(
    r#"{"$ref": "shared.json#/definitions/1st"}"#,
    "shared.json:6:5: \"1st\" cannot be the name of a type"
)]
fn what_typescript_cannot_say_has_a_place(#[case] schema: &str, #[case] sentence: &str) {
    let problem = generated(schema).unwrap_err().to_string();
    assert!(problem.starts_with(sentence), "{problem}");
}

#[rstest]
#[case::not_an_object(r#"{"type": "string"}"#, "required and one of known strings")]
#[case::any_event(
    r#"{"type": "object", "required": ["event"], "properties": {"event": {"type": "string"}}}"#,
    "required and one of known strings"
)]
#[case::optional_event(
    r#"{"type": "object", "properties": {"event": {"const": "thing_done"}}}"#,
    "required and one of known strings"
)]
#[case::another_event(
    r#"{"type": "object", "required": ["event"], "properties": {"event": {"const": "thing"}}}"#,
    "expected the event \"thing_done\", the message's name"
)]
fn a_message_that_its_event_does_not_tell_is_refused(#[case] thing: &str, #[case] words: &str) {
    let problem = generated_from(thing).unwrap_err();
    assert_eq!(problem.place, "thing.json:1:1");
    assert!(problem.problem.ends_with(words), "{problem}");
}

#[rstest]
#[case::version(
    "info: { version: 1.2.3 }",
    "",
    "asyncapi.yaml:3:1: expected the contract's info.version"
)]
#[case::messages(
    "action: send",
    "action: receive",
    "asyncapi.yaml: has no message that clients get"
)]
#[case::closes("x-closes:", "x-other:", "asyncapi.yaml: has no x-closes on a channel")]
fn a_contract_without_its_essentials_is_refused(
    #[case] what: &str,
    #[case] instead: &str,
    #[case] sentence: &str,
) {
    let thing = r#"{"type": "object", "required": ["event"], "properties": {"event": {"const": "thing_done"}}}"#;
    assert!(generated_from(thing).is_ok());
    let problem = generated_by(&ASYNCAPI.replace(what, instead), thing).unwrap_err();
    assert_eq!(problem.to_string(), sentence);
}

#[test]
fn only_the_checks_that_are_called_are_in_the_file() {
    let file = generated(r#"{"type": "boolean"}"#).unwrap();
    assert_says(&file, "\nfunction isBoolean(");
    assert!(!file.contains("isInteger"), "{file}");
}

#[test]
fn closes_are_a_table_with_types_of_codes_and_reasons() {
    let file = generated("true").unwrap();
    for lines in [
        "version 1.2.3 of the contract",
        "  gone: {\n    code: 1001,\n    errorCodes: [],\n    when: \"At the end.\",\n    client: \"Come back.\",\n  },\n",
        "    errorCodes: [\"FULL\", \"FULLER\"],\n",
        "export type CloseCode =\n  /** gone */\n  | 1001\n  /** full, many */\n  | 4000\n  /** more */\n  | 4001;\n",
        "export interface FullReason {\n  error_code: \"FULL\" | \"FULLER\";\n  message?: string;\n}\n",
        "export type CloseReason =\n  | FullReason\n  | TooManyReason;\n",
        "  [4000, either(isFullReason, isTooManyReason)],\n  [4001, isFullReason],\n]);\n",
    ] {
        assert_says(&file, lines);
    }
}

#[test]
fn the_file_of_this_repository_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let expected = types::typescript(&Contract::of_folder(&folder).unwrap()).unwrap();
    let written = fs::read_to_string(folder.join(types::PATH)).unwrap();
    assert!(
        written == expected,
        "contracts/{} is not what the contract says: run `cargo contracts types`",
        types::PATH
    );
}
