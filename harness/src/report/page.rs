//! A run as one page for a browser: no server, nothing that is loaded, and readable without scripts.
//!
//! The template has what everybody reads first; diagrams, comparisons and messages are drawn from the data at the end of
//! the page when somebody opens them.

use std::collections::BTreeMap;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::actors::{actors, ends};
use super::base::{Base, Expected};
use super::difference::{self, compare};
use super::document::{Breach, Counts, Document, Promise, Scenario, System};
use super::load::{HEIGHT, Load, WIDTH};
use super::reference::Reference;
use crate::audit::Audience;
use crate::coverage::Coverage;
use crate::data::PROGRAM;
use crate::flow::told::{Block, Kind};
use crate::ledger::Totals;

/// The most bytes that a page may have: what is over that is left out, and said to be.
pub const MOST: usize = 2_000_000;
/// How many characters of a text in a flow are shown.
const TEXT: usize = 20_000;
/// How many characters of a log are shown, where there is room and where there is little.
const LOG: [usize; 2] = [20_000, 1_000];

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    include_str!("page/elements.js"),
    include_str!("page/messages.js"),
    include_str!("page/diagram.js"),
    include_str!("page/comparison.js"),
    include_str!("page/scenario.js"),
    include_str!("page/page.js"),
);

/// What `review --web` adds: accept and reject at each flow that waits, by asking the server that the page comes from.
const REVIEW: &str = include_str!("page/review.js");

/// The page of a run, which is to be read.
pub fn page(document: &Document) -> String {
    with(document, None)
}

/// The page of a run from a server that accepts and rejects flows.
pub fn review_page(document: &Document) -> String {
    with(document, Some(REVIEW))
}

fn with(document: &Document, review: Option<&'static str>) -> String {
    let whole = |room: Room| {
        let page = Page {
            policy: policy(review),
            review,
            ..Page::of(document, room)
        };
        // A template without includes or fallible filters: nothing that cannot be written.
        page.render().unwrap_or_default()
    };
    let mut text = whole(Room::Ample);
    for room in [Room::Little, Room::None] {
        if text.len() > MOST {
            text = whole(room);
        }
    }
    text
}

/// How much room there is for what only some readers need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Ample,
    /// Logs are short, and bodies are those of scenarios that somebody has to look at.
    Little,
    /// There are neither logs nor bodies.
    None,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    program: &'static str,
    policy: String,
    style: &'static str,
    script: &'static str,
    review: Option<&'static str>,
    word: &'static str,
    headline: &'static str,
    system: &'a System,
    counts: &'a Counts,
    messages: &'a Totals,
    reference: &'a Reference,
    base: Option<&'a Base>,
    load: &'a Option<Result<Load, String>>,
    broken: Vec<&'a Promise>,
    scenarios: Vec<Item<'a>>,
    changed: usize,
    new: usize,
    areas: Vec<(&'a str, Vec<&'a Promise>)>,
    coverage: Coverage,
    causes: &'a [super::document::Cause],
    left_out: Option<&'static str>,
    data: String,
}

/// A scenario in the list.
struct Item<'a> {
    scenario: &'a Scenario,
    badges: Vec<Badge>,
}

impl Item<'_> {
    /// The scenario's id, in pieces between which a line may break.
    fn pieces(&self) -> impl Iterator<Item = &str> {
        self.scenario.id.split_inclusive(['/', '_', '-'])
    }

    /// How much somebody should look at it: the least comes first.
    fn rank(&self) -> usize {
        let words = ["broken", "harness bug", "not reached", "to be reviewed"];
        let has = |word: &str| self.badges.iter().any(|badge| badge.word == word);
        match words.iter().position(|word| has(word)) {
            Some(rank) => rank,
            None if self.badges.len() > 1 => words.len(),
            None if has("kept") => words.len() + 1,
            None => words.len() + 2,
        }
    }
}

/// Each of `words` once, in their order, with how often it is there.
fn counted(words: &[String]) -> Vec<(&str, usize)> {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for word in words {
        match counted.iter_mut().find(|(known, _)| known == word) {
            Some((_, times)) => *times += 1,
            None => counted.push((word, 1)),
        }
    }
    counted
}

/// Words with code between backticks, in pieces: whether it is code, and the text.
fn inline(words: &str) -> impl Iterator<Item = (bool, &str)> {
    let pieces = words.split('`').enumerate();
    pieces.map(|(number, piece)| (number % 2 == 1, piece))
}

/// A word about a scenario or a promise, with a sign for those who see no colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Badge {
    word: &'static str,
    sign: &'static str,
}

#[derive(Serialize)]
struct Data<'a> {
    program: &'static str,
    /// The smallest evidence of the first broken promise.
    first: Option<&'a str>,
    scenarios: Vec<Shown<'a>>,
}

/// A scenario as the script draws it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    title: &'a str,
    promises: &'a [String],
    fixture: &'a Option<String>,
    badges: &'a [Badge],
    seconds: f64,
    rounds: usize,
    failed_rounds: usize,
    breaches: &'a [Breach],
    reason: &'a Option<String>,
    /// Those who stand in the diagram, from left to right, with what they are.
    actors: Vec<(String, String)>,
    steps: Vec<Drawn<'a>>,
    /// What the comparison is with.
    against: Option<&'a str>,
    compared: Vec<difference::Lane>,
    account: Option<String>,
    log: Option<String>,
}

/// A step as the script draws it.
#[derive(Serialize)]
struct Drawn<'a> {
    kind: Kind,
    from: usize,
    to: usize,
    /// The actor that tells of it.
    at: usize,
    head: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    body: Vec<Block>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<(usize, usize)>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    forbidden: bool,
}

impl Badge {
    fn class(self) -> String {
        self.word.replace(' ', "-")
    }
}

impl<'a> Page<'a> {
    fn of(document: &'a Document, room: Room) -> Self {
        let mut scenarios: Vec<Item> = (document.scenarios.iter())
            .map(|scenario| Item {
                scenario,
                badges: badges(document, scenario),
            })
            .collect();
        // Stable: in the order of ids otherwise.
        scenarios.sort_by_key(Item::rank);
        let broken = document.broken().flat_map(|promise| &promise.evidence);
        let data = Data {
            program: PROGRAM,
            first: broken.map(|evidence| evidence.scenario.as_str()).next(),
            scenarios: scenarios
                .iter()
                .map(|item| shown(document, item, room))
                .collect::<Vec<Shown>>(),
        };
        // Strings, numbers and lists: nothing that cannot be written.
        let data = embedded(&serde_json::to_string(&data).unwrap_or_default());
        let with = |word: &str| {
            let has = |item: &&Item| item.badges.iter().any(|badge| badge.word == word);
            scenarios.iter().filter(has).count()
        };
        let mut areas: BTreeMap<&str, Vec<&Promise>> = BTreeMap::new();
        for promise in &document.promises {
            let area = promise.id.split('.').next().unwrap_or_default();
            areas.entry(area).or_default().push(promise);
        }
        let (word, headline) = document.verdict();
        Self {
            program: PROGRAM,
            policy: policy(None),
            style: STYLE,
            script: SCRIPT,
            review: None,
            word: match word {
                "✅" => "kept",
                "❌" => "broken",
                _ => "unknown",
            },
            headline,
            system: &document.system,
            counts: &document.counts,
            messages: &document.messages,
            reference: &document.reference,
            base: document.base.as_ref(),
            load: &document.load,
            broken: document.broken().collect(),
            changed: with("changed"),
            new: with("new"),
            scenarios,
            areas: areas.into_iter().collect(),
            coverage: Coverage::of_document(document),
            causes: &document.causes,
            left_out: match room {
                Room::Ample => None,
                Room::Little => Some(
                    "The run has more to show than a page should weigh: logs are shortened, and only what failed or \
                     changed has its bodies. results.json has everything.",
                ),
                Room::None => Some(
                    "The run has far more to show than a page should weigh: there are neither logs nor bodies here. \
                     results.json has everything.",
                ),
            },
            data,
        }
    }

    /// The lives of connections that saw `event`, for each audience.
    fn lives(&self, event: &str) -> Vec<String> {
        let seen = self
            .coverage
            .messages
            .iter()
            .find(|(name, _)| name == event);
        let of = |audience: &Audience| {
            let seen = seen.iter().flat_map(|(_, seen)| seen);
            let lives = seen.filter(|(who, _)| who == audience);
            let lives: Vec<String> = lives.map(|(_, life)| life.to_string()).collect();
            lives.join(", ")
        };
        Audience::ALL.iter().map(of).collect()
    }

    fn audiences(&self) -> [&'static str; 4] {
        Audience::ALL.map(Audience::words)
    }
}

fn badges(document: &Document, scenario: &Scenario) -> Vec<Badge> {
    let mut badges = vec![badge(&scenario.verdict)];
    badges.extend(match document.expected(scenario) {
        Expected::Same => None,
        Expected::New(_) => Some(badge("new")),
        Expected::Other(..) => Some(badge("changed")),
    });
    if 0 < scenario.failed_rounds && scenario.failed_rounds < scenario.rounds {
        badges.push(badge("flaky"));
    }
    badges
}

fn badge(verdict: &str) -> Badge {
    let (word, sign) = match verdict {
        "kept" => ("kept", "✓"),
        "broken" => ("broken", "✕"),
        "changed" => ("changed", "≠"),
        "new" => ("new", "+"),
        "flaky" => ("flaky", "~"),
        "to-be-reviewed" => ("to be reviewed", "○"),
        "not-reached" => ("not reached", "?"),
        "not-applicable" => ("not applicable", "–"),
        "harness-bug" => ("harness bug", "!"),
        "skipped" => ("skipped", "–"),
        _ => ("not played", "–"),
    };
    Badge { word, sign }
}

fn shown<'a>(document: &'a Document, item: &'a Item<'a>, room: Room) -> Shown<'a> {
    let scenario = item.scenario;
    let looked_at = item
        .badges
        .iter()
        .any(|badge| !matches!(badge.word, "kept"));
    let names = actors(&scenario.lanes);
    let mut steps = Vec::new();
    for lane in &scenario.lanes {
        let at = names.iter().position(|name| *name == lane.name);
        for (number, step) in lane.steps.iter().enumerate() {
            let ends = ends(lane, number, &names);
            let has_body = room == Room::Ample || (room == Room::Little && looked_at);
            let drawn = Drawn {
                kind: step.kind,
                from: ends.from,
                to: ends.to,
                at: at.unwrap_or_default(),
                head: &step.head,
                body: match has_body {
                    true => step.body.iter().map(short).collect(),
                    false => Vec::new(),
                },
                messages: step.messages,
                forbidden: step.forbidden,
            };
            steps.push((step.place, drawn));
        }
    }
    steps.sort_by_key(|(place, _)| *place);
    let (against, compared) = match document.expected(scenario) {
        Expected::Other(against, flow) => {
            let recorded = scenario.flow.as_deref().unwrap_or_default();
            (Some(against), compare(flow, recorded))
        }
        Expected::Same | Expected::New(_) => (None, Vec::new()),
    };
    let what = |name: &String| {
        let lane = scenario.lanes.iter().find(|lane| lane.name == *name);
        lane.map_or("part of the system", |lane| lane.what.as_str())
            .to_owned()
    };
    let log = match room {
        Room::Ample => Some(LOG[0]),
        Room::Little => Some(LOG[1]),
        Room::None => None,
    };
    let evidence = |text: &Option<String>| Some(shortened(text.as_deref()?, log?));
    Shown {
        id: &scenario.id,
        title: &scenario.title,
        promises: &scenario.promises,
        fixture: &scenario.fixture,
        badges: &item.badges,
        seconds: scenario.seconds,
        rounds: scenario.rounds,
        failed_rounds: scenario.failed_rounds,
        breaches: &scenario.breaches,
        reason: &scenario.reason,
        actors: names
            .iter()
            .map(|name| (name.clone(), what(name)))
            .collect(),
        steps: steps.into_iter().map(|(_, step)| step).collect(),
        against,
        compared,
        account: evidence(&scenario.account),
        log: evidence(&scenario.log),
    }
}

fn short(block: &Block) -> Block {
    match block {
        Block::Text(text) => Block::Text(shortened(text, TEXT)),
        json => json.clone(),
    }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            let left = text[end..].chars().count();
            format!(
                "{}… ({left} more characters are in results.json)",
                &text[..end]
            )
        }
        None => text.to_owned(),
    }
}

/// JSON that can stand in a script element: nothing in it ends the element or begins a comment.
fn embedded(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// What the page may load and run: its own style and scripts, known by their hashes, and nothing else. Where flows are
/// reviewed it asks the server that it comes from.
fn policy(review: Option<&str>) -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let (asks, more) = match review {
        Some(script) => ("connect-src 'self'; ", format!(" {}", hash(script))),
        None => ("", String::new()),
    };
    format!(
        "default-src 'none'; {asks}style-src {}; script-src {}{more}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::of_every_kind;
    use super::*;
    use crate::flow::told::{Arrow, Lane, Role, Step};
    use crate::results::tests::{ORDER, results, verdict};
    use crate::scenario::Failure;
    use crate::verdict::Broken;

    const HOSTILE: &str = "</script><img src=x onerror=alert(1)><!-- {{ data }}";

    fn lane(body: Vec<Block>) -> Lane {
        let step = Step {
            body,
            ..Step::new(Kind::Publish, Some(Arrow::Out), HOSTILE)
        };
        Lane {
            name: HOSTILE.to_owned(),
            role: Role::Backend,
            what: HOSTILE.to_owned(),
            steps: vec![step],
        }
    }

    #[test]
    fn nothing_that_was_recorded_becomes_markup() {
        let mut document = of_every_kind();
        for scenario in &mut document.scenarios {
            scenario.title = HOSTILE.to_owned();
            scenario.log = Some(HOSTILE.to_owned());
            scenario.reason = Some(HOSTILE.to_owned());
            let json = serde_json::json!({ HOSTILE: HOSTILE });
            scenario.lanes = vec![lane(vec![
                Block::Json(json),
                Block::Text(HOSTILE.to_owned()),
            ])];
        }
        for promise in &mut document.promises {
            promise.sentence = HOSTILE.to_owned();
        }
        let page = page(&document);
        assert!(!page.contains("<img") && !page.contains("<!-- {{"));
        // The data's and the script's own.
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains("&#60;img src=x onerror=alert(1)&#62;"));
    }

    #[test]
    fn a_load_beside_the_run_is_shown_with_its_histograms() {
        let mut document = of_every_kind();
        assert!(!page(&document).contains("id=\"load\""));
        document.load = Some(Load::read(super::super::load::tests::TEXT));
        let shown = page(&document);
        for words in [
            "<rect x=\"0\" y=\"0\"",
            "<title>31 in at most 64.0 µs</title>",
            "&#60;b&#62;1,000&#60;/b&#62; messages/s",
            "<code>loss = 0</code>",
        ] {
            assert!(shown.contains(words), "{words}");
        }
        document.load = Some(Load::read("{}"));
        assert!(page(&document).contains("load.json: expected the load.json of a load"));
    }

    #[test]
    fn the_data_of_the_page_is_the_run() {
        let page = page(&of_every_kind());
        let (_, data) = page.split_once(r#"id="data">"#).unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let words: Vec<&str> = (data["scenarios"].as_array().unwrap().iter())
            .map(|scenario| scenario["badges"][0]["word"].as_str().unwrap())
            .collect();
        let all = [
            "broken",
            "harness bug",
            "not reached",
            "to be reviewed",
            "kept",
            "skipped",
            "not played",
        ];
        assert_eq!(words, all);
    }

    #[test]
    fn a_run_that_fails_everywhere_still_fits_and_says_what_is_left_out() {
        let failed = |number: usize| {
            let broken = Broken {
                log: "a line of a log\n".repeat(10_000),
                ..Broken::unreached(Failure::broken("wrong"))
            };
            let mut verdict = verdict(&format!("a/{number}"), &[ORDER], None);
            verdict.result = Err(broken);
            verdict.told.lanes = vec![lane(vec![Block::Text("x".repeat(50_000))])];
            verdict
        };
        let document = Document::of(&results((0..250).map(failed).collect(), Vec::new()));
        let page = page(&document);
        assert!(page.len() < MOST, "{} bytes", page.len());
        assert!(page.contains("there are neither logs nor bodies here"));
        assert!(page.contains("a/249"));
    }

    #[test]
    fn a_browser_may_run_what_the_page_has_and_nothing_else() {
        let page = page(&of_every_kind());
        for (begin, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
            let (_, text) = page.split_once(begin).unwrap();
            let (text, _) = text.split_once(end).unwrap();
            let hash = STANDARD.encode(Sha256::digest(text));
            assert!(page.contains(&format!("sha256-{hash}&#39;")), "{begin}");
        }
        let handlers = ["onclick=", "style=", "javascript:", "http://", "https://"];
        let body = page.split_once("</style>").unwrap().1;
        let body = body.split_once("<script").unwrap().0;
        for handler in handlers {
            assert!(!body.contains(handler), "{handler}");
        }
    }
}
