//! One edit of the documents around the schemas, judged.

use contract::diff::Verdict::{self, Breaking, Risky, Safe};
use contract::diff::{json, markdown, text};
use rstest::rstest;

use crate::{Versions, edited, files};

const ASYNCAPI: &str = "\
servers:
  service: { protocol: ws, security: [{ $ref: '#/components/securitySchemes/token' }] }
  redis: { protocol: redis }
channels:
  user: { address: 'ws:{user_id}', servers: [{ $ref: '#/servers/redis' }] }
  socket:
    address: /ws
    servers: [{ $ref: '#/servers/service' }]
    bindings:
      ws:
        query:
          type: object
          properties:
            token: { type: string }
          required: [token]
    x-closes:
      slow:
        code: 1013
        reason: { type: object, properties: { error_code: { const: SLOW } }, required: [error_code] }
        when: The queue is full.
        client: Connect again.
      idle:
        code: 1001
        when: Nothing came.
        client: Connect again.
operations:
  notify:
    action: send
    channel: { $ref: '#/channels/socket' }
    messages:
      - $ref: '#/components/messages/ready'
      - $ref: '#/components/messages/started'
  ignore:
    action: receive
    channel: { $ref: '#/channels/socket' }
    messages:
      - $ref: '#/components/messages/heartbeat'
components:
  securitySchemes:
    token: { type: httpApiKey, name: token, in: query }
  messages:
    ready:
      name: ready
      x-audience: teacher
      summary: It is ready.
      payload: { $ref: schemas/data.json }
    started:
      name: started
      payload: { $ref: schemas/data.json }
    heartbeat:
      name: heartbeat
      payload: { type: string }
x-promises:
  delivery.once: A message arrives once.
  delivery.order: Messages arrive in order.
";

const OPENAPI: &str = "\
servers: [{ url: http://localhost, x-service: gateway }]
security: [{ bearer: [] }]
paths:
  /things/{id}:
    get:
      summary: Reads a thing.
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
        - { name: page, in: query, schema: { type: integer } }
      responses:
        '200':
          description: The thing.
          headers:
            ETag: { required: true, schema: { type: string } }
          content:
            application/json: { schema: { type: object, properties: { a: { type: string } } } }
        '404': { description: There is none. }
    put:
      requestBody:
        content:
          application/json: { schema: { type: object } }
          text/plain: { schema: { type: string } }
      x-downstream:
        service: things
        method: PUT
        path: /internal/{id}
        headers: [x-user-id]
        body: { type: object, properties: { state: { enum: [on, off] } } }
      responses:
        '204': { description: It is changed. }
        default: { description: It failed. }
  /health:
    get:
      security: []
      responses:
        '200': { description: It is up. }
x-unknown-routes:
  gateway: { status: '404', response: { description: There is no such route. } }
components:
  securitySchemes:
    bearer: { type: http, scheme: bearer }
    key: { type: apiKey, name: X-Key, in: header }
";

const DATA: &str = r#"{"type": "object", "properties": {"priority": {"enum": ["low", "high"]}}}"#;

fn versions(edits: &[(&str, &str)]) -> Versions {
    let all = [
        ("asyncapi.yaml", ASYNCAPI),
        ("openapi.yaml", OPENAPI),
        ("schemas/data.json", DATA),
    ];
    let mut head = files(&all);
    for (old, new) in edits {
        let path = all.iter().find(|(_, text)| text.contains(old)).unwrap().0;
        let text = edited(&head.0[path], old, new);
        head.0.insert(path.to_owned(), text);
    }
    Versions {
        base: files(&all),
        head,
    }
}

/// The verdict, the subject, words of the sentence, and what stands at the place.
type Judged = (Verdict, &'static str, &'static str, &'static str);

#[rstest]
// Channels.
#[case::address("address: /ws", "address: /socket",
    (Breaking, "channel /socket", "was /ws and is now /socket: clients have to connect there", "address: /socket"))]
#[case::channel_of_redis("'ws:{user_id}'", "'n:{user_id}'",
    (Breaking, "channel n:{user_id}", "backend services have to publish there", "address:"))]
#[case::protocol("protocol: ws,", "protocol: wss,",
    (Breaking, "channel /ws", "no longer served over ws", "servers:"))]
#[case::way_in("in: query }", "in: header }",
    (Breaking, "channel /ws", "clients with the former are refused", "socket:"))]
#[case::everybody_in(", security: [{ $ref: '#/components/securitySchemes/token' }]", "",
    (Risky, "channel /ws", "everybody may use it", "socket:"))]
#[case::required_query("required: [token]", "required: [token, version]",
    (Breaking, "channel /ws query", "`version` is new and has to be sent", "required:"))]
#[case::optional_query("token: { type: string }", "{ token: { type: string }, lang: {} }",
    (Safe, "channel /ws query", "`lang` is new and may be sent", "lang:"))]
#[case::query_left_out("          required: [token]\n", "",
    (Safe, "channel /ws query", "`token` can now be left out", "token:"))]
// Messages.
#[case::message_removed("      - $ref: '#/components/messages/started'\n", "",
    (Breaking, "message started", "never sent any more", "started:"))]
#[case::message_added("components:\n", "  more:\n    action: send\n    channel: { $ref: '#/channels/socket' }\n    messages: [{ name: ended }]\ncomponents:\n",
    (Risky, "message ended", "an exhaustive `switch` in TypeScript needs a new case", "{ name: ended }"))]
#[case::audience("x-audience: teacher", "x-audience: student",
    (Risky, "message ready", "was for teacher and is now for student", "x-audience"))]
#[case::what_clients_send("payload: { type: string }", "payload: { type: integer }",
    (Breaking, "message heartbeat", "could be a string and has to be an integer now", "type:"))]
#[case::summary("summary: It is ready.", "summary: It is done.",
    (Safe, "message ready", "The words of `summary` changed", "summary:"))]
// Closes.
#[case::close_code("code: 1013", "code: 4013",
    (Breaking, "close slow", "was 1013 and is now 4013", "code: 4013"))]
#[case::close_removed("      idle:\n        code: 1001\n        when: Nothing came.\n        client: Connect again.\n", "",
    (Risky, "close idle", "no longer closes with 1001", "idle:"))]
#[case::close_added("      idle:\n", "      full:\n        code: 4000\n        when: There are too many.\n        client: Wait.\n      idle:\n",
    (Risky, "close full", "may now close with 4000: There are too many.", "full:"))]
#[case::reason("const: SLOW", "enum: [SLOW, SLOWER]",
    (Breaking, "close slow", "`error_code` may now also be \"SLOWER\"", "enum:"))]
#[case::reason_may_be_empty("        when: The queue", "        reason-required: false\n        when: The queue",
    (Breaking, "close slow", "may now be empty", "slow:"))]
#[case::reason_given("        when: Nothing", "        reason: {}\n        when: Nothing",
    (Safe, "close idle", "JSON now", "reason:"))]
#[case::advice("client: Connect again.", "client: Wait.",
    (Safe, "close slow", "The words of `client` changed", "client:"))]
// Promises.
#[case::promise_removed("  delivery.order: Messages arrive in order.\n", "",
    (Breaking, "promise delivery.order", "No longer promised: Messages arrive in order.", "delivery.order:"))]
#[case::promise_added("  delivery.order", "  delivery.whole: Messages arrive whole.\n  delivery.order",
    (Safe, "promise delivery.whole", "Promised now: Messages arrive whole.", "delivery.whole:"))]
#[case::promise_in_other_words("arrives once.", "arrives once or twice.",
    (Risky, "promise delivery.once", "and is now \"A message arrives once or twice.\"", "delivery.once:"))]
// Routes.
#[case::route_removed("  /health:\n    get:\n      security: []\n      responses:\n        '200': { description: It is up. }\n", "",
    (Breaking, "route GET /health", "The route is gone", "get:"))]
#[case::route_added("  /health:\n", "  /time:\n    get: { responses: {} }\n  /health:\n",
    (Safe, "route GET /time", "The route is new", "get:"))]
#[case::method("    get:\n      security", "    head: { security: [], responses: {} }\n    get:\n      security",
    (Safe, "route HEAD /health", "The route is new", "head:"))]
#[case::service("x-service: gateway }]\nsecurity", "x-service: gateway }, { url: http://other, x-service: other }]\nsecurity",
    (Safe, "route GET /things/{id}", "The other service has this route now", "get:"))]
#[case::security_added("security: []", "security: [{ key: [] }]",
    (Breaking, "route GET /health", "asks for apiKey X-Key header now", "get:"))]
#[case::security_removed("    put:\n", "    put:\n      security: []\n",
    (Risky, "route PUT /things/{id}", "everybody may use it", "put:"))]
#[case::security_replaced("    put:\n", "    put:\n      security: [{ key: [] }]\n",
    (Breaking, "route PUT /things/{id}", "now asks for apiKey", "put:"))]
#[case::security_with_a_choice("    put:\n", "    put:\n      security: [{ key: [] }, { bearer: [] }]\n",
    (Safe, "route PUT /things/{id}", "also open with", "put:"))]
#[case::parameter_required("name: page, in: query,", "name: page, in: query, required: true,",
    (Breaking, "route GET /things/{id} query parameter page", "has to be sent now", "{ name: page"))]
#[case::parameter_added("      responses:\n        '200':\n", "        - { name: X-Lang, in: header, required: true }\n      responses:\n        '200':\n",
    (Breaking, "route GET /things/{id} header parameter X-Lang", "new and has to be sent", "{ name: X-Lang"))]
#[case::parameter_removed("        - { name: page, in: query, schema: { type: integer } }\n", "",
    (Risky, "route GET /things/{id} query parameter page", "no effect", "{ name: page"))]
#[case::parameter_narrowed("required: true, schema: { type: string }", "required: true, schema: { type: string, maxLength: 8 }",
    (Breaking, "route GET /things/{id} path parameter id", "is now at most 8 characters", "maxLength"))]
#[case::body_required("      requestBody:\n", "      requestBody:\n        required: true\n",
    (Breaking, "route PUT /things/{id} request body", "has to be sent now", "requestBody:"))]
#[case::body_added("    get:\n      security", "    get:\n      requestBody: { required: true }\n      security",
    (Breaking, "route GET /health request body", "has to be sent now", "requestBody:"))]
#[case::media_type_removed("          text/plain: { schema: { type: string } }\n", "",
    (Breaking, "route PUT /things/{id} request body", "no longer taken as text/plain", "text/plain"))]
#[case::success_added("        '404'", "        '202': { description: Later. }\n        '404'",
    (Breaking, "route GET /things/{id} 202", "waits for the former success", "'202'"))]
#[case::failure_added("        '404'", "        '410': { description: Gone. }\n        '404'",
    (Risky, "route GET /things/{id} 410", "handles failures one by one", "'410'"))]
#[case::failure_removed("        '404': { description: There is none. }\n", "",
    (Safe, "route GET /things/{id} 404", "never answered any more", "'404'"))]
#[case::success_removed("        '200': { description: It is up. }", "        '404': { description: It is up. }",
    (Risky, "route GET /health 200", "look at what a success is answered with", "'200'"))]
#[case::body_of_a_response("properties: { a: { type: string } }", "properties: { a: { type: [string, 'null'] } }",
    (Breaking, "route GET /things/{id} 200", "`a` may now be null", "type:"))]
#[case::media_type_added("            application/json: { schema: { type: object, properties", "            text/csv: {}\n            application/json: { schema: { type: object, properties",
    (Risky, "route GET /things/{id} 200", "may now be sent as text/csv", "text/csv"))]
#[case::header_removed("          headers:\n            ETag: { required: true, schema: { type: string } }\n", "",
    (Breaking, "route GET /things/{id} 200 header ETag", "code that reads it finds nothing", "ETag:"))]
#[case::header_optional("required: true, schema: { type: string } }\n          content", "schema: { type: string } }\n          content",
    (Breaking, "route GET /things/{id} 200 header ETag", "may now be missing", "ETag:"))]
#[case::unknown_route("status: '404'", "status: '400'",
    (Breaking, "unknown route of gateway", "was 404 and is now 400", "response:"))]
#[case::route_in_other_words("summary: Reads a thing.", "summary: Gets a thing.",
    (Safe, "route GET /things/{id}", "The words of `summary` changed", "summary:"))]
// Calls of services behind.
#[case::downstream_path("path: /internal/{id}", "path: /inner/{id}",
    (Breaking, "route PUT /things/{id} call of things", "now calls PUT /inner/{id} of things", "x-downstream:"))]
#[case::downstream_header("headers: [x-user-id]", "headers: []",
    (Breaking, "route PUT /things/{id} call of things", "no longer gets the header field `x-user-id`", "headers:"))]
#[case::downstream_body("enum: [on, off]", "enum: [on, off, out]",
    (Breaking, "route PUT /things/{id} call of things", "may now also be \"out\"", "enum:"))]
#[case::downstream_body_with_more("properties: { state:", "properties: { by: {}, state:",
    (Risky, "route PUT /things/{id} call of things", "the things service has to take it or ignore it. Clients do not see this.", "by:"))]
fn an_edit_of_a_document_is_judged(#[case] old: &str, #[case] new: &str, #[case] judged: Judged) {
    let versions = versions(&[(old, new)]);
    let (verdict, subject, words, at) = judged;
    let findings = versions.findings();
    let finding = findings
        .iter()
        .find(|finding| finding.subject == subject && finding.sentence.contains(words))
        .unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(finding.verdict, verdict, "{finding:#?}");
    assert!(
        versions.at(finding).starts_with(at),
        "{finding:#?} is at {}",
        versions.at(finding)
    );
    // One edit of one thing, but for what is said of several things at once.
    let others = findings.iter().filter(|other| other.verdict < verdict);
    assert_eq!(others.count(), 0, "{findings:#?}");
}

#[rstest]
#[case::channel(&[("  user: {", "  backplane: {")])]
#[case::parameter_of_an_address(&[("{user_id}", "{user}")])]
#[case::parameter_of_a_path(&[("/things/{id}", "/things/{thing}"), ("name: id,", "name: thing,"), ("/internal/{id}", "/internal/{thing}")])]
#[case::close(&[("      slow:", "      overflow:")])]
#[case::message_of_clients(&[("name: heartbeat", "name: ping")])]
#[case::promise(&[("delivery.once:", "delivery.exactly-once:")])]
#[case::security_scheme(&[("security: [{ bearer: [] }]", "security: [{ jwt: [] }]"), ("    bearer:", "    jwt:")])]
#[case::case_of_a_header(&[("ETag:", "etag:")])]
#[case::operation(&[("    put:\n", "    put:\n      operationId: change\n")])]
#[case::examples(&[("      name: started\n", "      name: started\n      examples: []\n")])]
fn a_name_that_is_not_on_the_wire_is_no_finding(#[case] edits: &[(&str, &str)]) {
    assert_eq!(versions(edits).findings(), []);
}

#[test]
fn a_new_status_that_the_default_covered_is_compared_with_it() {
    let failed = "        default: { description: It failed. }\n";
    let findings = versions(&[(
        failed,
        &format!("        '409': {{ description: It failed. }}\n{failed}"),
    )])
    .findings();
    assert_eq!(findings, []);
}

/// `priority` is shared by two messages: that is one change.
fn shared() -> Versions {
    versions(&[
        (r#""low", "high""#, r#""low", "a|b", "high""#),
        ("arrives once.", "arrives once at least."),
        ("  delivery.order: Messages arrive in order.\n", ""),
        ("summary: Reads", "summary: Gets"),
    ])
}

#[test]
fn the_text_has_every_change_once_the_worst_first() {
    let expected = "\
BREAKING
  message ready, message started /priority
    `priority` may now also be \"a|b\": code that knows only the former values has no case for it.
    schemas/data.json:1:48

  promise delivery.order
    No longer promised: Messages arrive in order.
    asyncapi.yaml:55:3 (in the base)

RISKY
  promise delivery.once
    This promise was \"A message arrives once.\" and is now \"A message arrives once at least.\".
    asyncapi.yaml:54:3

SAFE
  route GET /things/{id}
    The words of `summary` changed.
    openapi.yaml:6:7

2 breaking, 1 risky, 1 safe
";
    assert_eq!(text(&shared().findings()), expected);
}

#[test]
fn the_markdown_is_a_table_for_each_verdict() {
    let markdown = markdown(&shared().findings());
    let expected = "\
### Contract

2 breaking, 1 risky, 1 safe

#### Breaking

| What | What it means | Where |
|---|---|---|
| message ready, message started | `priority` may now also be \"a\\|b\": code that knows only the former values has no case for it. | `schemas/data.json:1:48` |
| promise delivery.order | No longer promised: Messages arrive in order. | `asyncapi.yaml:55:3 (in the base)` |

#### Risky
";
    assert!(markdown.starts_with(expected), "{markdown}");
}

#[test]
fn the_json_has_a_version_and_counts() {
    let report: serde_json::Value = serde_json::from_str(&json(&shared().findings())).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "counts": {"breaking": 2, "risky": 1, "safe": 1},
        "finding": {
            "verdict": "breaking",
            "subjects": ["promise delivery.order"],
            "pointer": "",
            "sentence": "No longer promised: Messages arrive in order.",
            "place": "asyncapi.yaml:55:3",
            "side": "base"
        }
    });
    assert_eq!(report["version"], expected["version"]);
    assert_eq!(report["counts"], expected["counts"]);
    assert_eq!(report["findings"][1], expected["finding"]);
}
