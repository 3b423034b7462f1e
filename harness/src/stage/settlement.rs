//! What a stage owes its scenario in the end: the fence, the ledger, the contract's documents, and what was exercised.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::pending;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;
use uuid::Uuid;

use super::Stage;
use crate::audit::{Audience, Exercised, Life};
use crate::backplane::Publication;
use crate::breach::Breach;
use crate::client::Client;
use crate::flow::{Actor, Entry, Frame};
use crate::ledger::{Account, Ledger, Promise, Totals};
use crate::scenario::{Failure, Outcome, ensure};

const ONCE: &str = "delivery.once-per-connection";
const FROM_101: &str = "delivery.from-101";

/// What is said where a fence is missing; its user follows.
const NO_FENCE: &str = "never received the fence, the last message published to";
/// What says in a fence how often it was published before.
const AGAIN: &str = "again";
/// How long a fence may take before another one is published; each pause is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl Stage {
    /// The fence: proves that everything published has arrived exactly once, in order, at every open connection that
    /// it was for, and nothing anywhere else.
    ///
    /// A marked message goes down the same path to every connected user, and once all have it, a second one: whatever a
    /// service lets stray from the first user's path to another's had the whole first round to arrive.
    pub async fn settle(&self) -> Outcome {
        let clients = self.lock().clients.clone();
        let open = self.open_clients();
        let mut lost = Vec::new();
        for _round in 0..2 {
            lost = self.have_arrived(&open).await?;
            if !lost.is_empty() {
                break;
            }
        }
        let mut breaches = Vec::new();
        for client in &clients {
            breaches.extend(doubled_fences(client));
        }
        self.of_each_promise(&clients, |ledger, promise| {
            breaches.extend(ledger.violations(promise));
        });
        breaches.extend(lost);
        breaches.extend(self.audit(&clients));
        let ended = clients.iter().filter_map(|client| {
            let words = client.lost()?;
            let name = client.name();
            Some(Breach::new(format!("{name} {words}")).at(name, None))
        });
        breaches.extend(ended);
        if breaches.is_empty() {
            self.tell_of_traffic(&clients);
        }
        for client in &open {
            client.fence();
        }
        match breaches.is_empty() {
            true => Ok(()),
            false => Err(Failure::Broken(breaches)),
        }
    }

    /// What became of the messages of all connections; and the account of each connection whose is not clean, with what
    /// was done to the system meanwhile.
    pub fn accounts(&self) -> (Totals, String) {
        let clients = self.lock().clients.clone();
        let (mut totals, mut unclean) = (Totals::default(), String::new());
        self.of_each_promise(&clients, |ledger, promise| {
            let account = ledger.account(promise);
            totals += &account;
            if !account.is_clean() {
                let _ = writeln!(unclean, "{}: {account}", promise.client);
            }
        });
        if !unclean.is_empty() {
            for (published, words) in &self.lock().faults {
                let _ = writeln!(unclean, "after #{published}: {words}");
            }
        }
        (totals, unclean)
    }

    /// Checks that of the messages to `client`, whose connection has ended, exactly those with these numbers never arrived,
    /// and that it was told so.
    pub fn expect_lost_with_notice(&self, client: &Client, numbers: &[usize]) -> Outcome {
        let (clients, mut account) = ([client.clone()], Account::default());
        self.of_each_promise(&clients, |ledger, promise| {
            account = ledger.account(promise);
        });
        ensure(account.lost_with_notice == numbers, || {
            format!(
                "{} should have lost {numbers:?} with notice; of what was published to it: {account}",
                client.name()
            )
        })?;
        client.note(&format!(
            "{} lost, and the end of the connection tells it",
            words(numbers)
        ));
        Ok(())
    }

    /// Shows `look` what each of `clients` was promised and got.
    fn of_each_promise(&self, clients: &[Client], mut look: impl FnMut(&Ledger, &Promise)) {
        let mut of_user: BTreeMap<&str, Vec<&Client>> = BTreeMap::new();
        for client in clients {
            of_user.entry(client.user()).or_default().push(client);
        }
        for client in clients {
            let (offered, promised) = client.promise();
            let siblings = (of_user[client.user()].iter())
                .filter(|other| other.name() != client.name())
                .flat_map(|other| other.texts());
            let promise = Promise {
                client: client.name(),
                user: client.user(),
                offered,
                promised,
                end: client.end(|code| self.is_known_close(code)),
                texts: &client.texts(),
                binaries: &client.binaries(),
                sent: &client.sent(),
                siblings: &siblings.collect::<Vec<_>>(),
                fenced: !client.fences().is_empty(),
                channel: &self.0.system.channel(&self.user(client.user()).id),
                channels: &self.0.lines.channels,
            };
            look(&self.lock().ledger, &promise);
        }
    }

    /// Whether a close with `code` is one of the contract's, each of which says what the client is to do.
    fn is_known_close(&self, code: u16) -> bool {
        self.0.lines.rules.knows_close(code)
    }

    /// Each thing that travelled since the last call and is not as the contract's documents say.
    fn audit(&self, clients: &[Client]) -> Vec<Breach> {
        let mut state = self.lock();
        let state = &mut *state;
        // What was published off the contract on purpose arrives as it was published.
        let of_the_contract: BTreeSet<&[u8]> = (state.ledger.published().iter())
            .filter(|message| self.0.lines.rules.knows(&message.kind))
            .map(|message| message.bytes.as_slice())
            .collect();
        for client in clients {
            for text in client.texts() {
                if of_the_contract.contains(text.as_slice()) {
                    state.audit.received(client.name(), &text);
                }
            }
        }
        for (name, actor, recorder) in &state.lanes {
            if let Actor::Client { .. } = actor
                && let Some((code, reason)) = close_by_service(&recorder.entries())
                && state.closes_audited.insert(name.clone())
            {
                state.audit.closed(name, code, &reason);
            }
        }
        state.audit.take_violations()
    }

    /// What of the contract this stage exercised.
    pub fn exercised(&self) -> Exercised {
        let mut state = self.lock();
        let state = &mut *state;
        let lives: BTreeMap<&str, Life> = (state.lanes.iter())
            .map(|(name, _, recorder)| (name.as_str(), life(&recorder.entries())))
            .collect();
        for message in state.ledger.published() {
            // What is off the contract exercises nothing of it.
            if !self.0.lines.rules.knows(&message.kind) {
                continue;
            }
            // A connection counts as there when the promise holds for it.
            let there = |client: &&Client| client.promise().1 < message.number;
            let (own, others): (Vec<_>, Vec<_>) = (state.clients.iter().filter(there))
                .partition(|client| client.user() == message.user);
            let audience = if own.len() == 1 {
                Audience::One
            } else {
                Audience::Several
            };
            let life = |client: &Client| lives.get(client.name()).copied().unwrap_or(Life::None);
            if own.is_empty() {
                let nobody = Audience::Nobody;
                state.audit.delivered(&message.kind, nobody, Life::None);
            }
            for client in own {
                state.audit.delivered(&message.kind, audience, life(client));
            }
            for client in others {
                let life = life(client);
                state.audit.delivered(&message.kind, Audience::Others, life);
            }
        }
        state.audit.exercised().clone()
    }

    /// The connections that nobody has begun to close.
    pub(super) fn open_clients(&self) -> Vec<Client> {
        let state = self.lock();
        let open = state.clients.iter().filter(|client| client.is_open());
        open.cloned().collect()
    }

    /// Waits until `client`, whose token may be taken or refused, is served; or is refused as any bad token is.
    pub async fn expect_service_or_refusal(&self, client: &Client) -> Outcome {
        let served = self.have_arrived(std::slice::from_ref(client)).await?;
        if served.is_empty() || !client.has_nothing() {
            return Ok(());
        }
        client.expect_refusal().await.map(|_| ())
    }

    /// Whether `client` is served, and not refused: a fence comes, or nothing does and the connection stays. A pong says
    /// nothing, for it may come before the close.
    pub(super) async fn serves(&self, client: &Client) -> Outcome<bool> {
        self.have_arrived(std::slice::from_ref(client)).await?;
        Ok(client.is_open())
    }

    /// One marked message to each user of `open`, and its arrival at each of those connections; says where it did not
    /// arrive.
    pub(crate) async fn have_arrived(&self, open: &[Client]) -> Outcome<Vec<Breach>> {
        let silent: BTreeSet<&str> = (open.iter())
            .filter(|client| client.has_nothing())
            .map(Client::name)
            .collect();
        let nonces = nonces(open);
        let mut breaches = Vec::new();
        for (client, arrived) in open.iter().zip(self.fenced(open, &nonces).await?) {
            let Err(words) = arrived else { continue };
            let (name, user) = (client.name(), client.user());
            let words = format!("{name} {NO_FENCE} {user}: {words}");
            // One whose connection ended has that to answer for.
            let promise = client.ended().is_none().then_some(ONCE);
            breaches.push(Breach::of(words, promise).at(name, None));
        }
        let lacks = |client: &&Client| client.lacks_the_first(&nonces[client.user()], AGAIN);
        let lacking: Vec<Client> = open.iter().filter(lacks).cloned().collect();
        // The two may have come in the wrong order. After one more, the first is there.
        self.fenced(&lacking, &self::nonces(&lacking)).await?;
        for client in lacking.iter().filter(lacks) {
            let (name, user) = (client.name(), client.user());
            let words = format!("{name} {NO_FENCE} {user}, but a later one");
            let first = silent.contains(name);
            let promise = if first { FROM_101 } else { ONCE };
            let breach = Breach::of(words, [promise]).unless(ONCE, first);
            breaches.push(breach.at(name, None));
        }
        Ok(breaches)
    }

    /// A fence with its nonce to each user of `open`, and for each connection whether it arrived; an error says why not.
    async fn fenced(
        &self,
        open: &[Client],
        nonces: &BTreeMap<&str, String>,
    ) -> Outcome<Vec<Result<(), String>>> {
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let fences = nonces
            .iter()
            .map(|(user, nonce)| self.fence(user, nonce, 0));
        self.send(&fences.collect::<Vec<_>>()).await?;
        let arrivals = (open.iter()).map(|client| client.until_fence(&nonces[client.user()]));
        tokio::select! {
            arrived = join_all(arrivals) => Ok(arrived),
            never = self.fences_again(open, nonces) => match never {},
        }
    }

    /// Publishes to who waits for a fence once more, and again: where one of these comes, the first is lost, and nobody has
    /// to wait for it.
    async fn fences_again(&self, open: &[Client], nonces: &BTreeMap<&str, String>) -> Infallible {
        let mut pause = FIRST_PAUSE;
        for time in 1.. {
            sleep(pause).await;
            pause *= 2;
            let waits =
                |client: &&Client| client.is_open() && !client.has_fence(&nonces[client.user()]);
            let users: BTreeSet<&str> = open.iter().filter(waits).map(Client::user).collect();
            let fences = users
                .iter()
                .map(|user| self.fence(user, &nonces[user], time));
            // Where Redis has gone meanwhile, whoever waits for the first ones says what there is to say.
            if self.send(&fences.collect::<Vec<_>>()).await.is_err() {
                break;
            }
        }
        pending().await
    }

    /// The fence for `user`, published for the first time (0) or again.
    fn fence(&self, user: &str, nonce: &str, time: usize) -> Publication {
        let user = self.user(user);
        let mut fence = serde_json::json!({
            "event": "fence",
            "data": {"user": user.id, "nonce": nonce},
        });
        if time > 0 {
            fence[AGAIN] = time.into();
        }
        let channel = self.0.system.channel(&user.id);
        (channel, fence.to_string().into_bytes())
    }
}

/// One for each user of `open`.
fn nonces(open: &[Client]) -> BTreeMap<&str, String> {
    let users = open.iter().map(Client::user);
    users
        .map(|user| (user, Uuid::new_v4().to_string()))
        .collect()
}

/// Message numbers as the beginning of a sentence: `#2 and #3 are`.
fn words(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(|number| format!("#{number}")).collect();
    let verb = if numbers.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", words.join(" and "))
}

/// How the connection of a client's lane ended, if it has.
fn life(entries: &[Entry]) -> Life {
    match close_by_service(entries) {
        Some((code, _)) => Life::Closed(code),
        None if entries
            .iter()
            .any(|e| matches!(e, Entry::Sent(Frame::Close(_)))) =>
        {
            Life::Left
        }
        None => Life::Open,
    }
}

/// The code and reason of the close in a client's lane, if the service began it; no code is 1005 (RFC 6455, section
/// 7.1.5).
fn close_by_service(entries: &[Entry]) -> Option<(u16, String)> {
    const NONE: u16 = 1005;
    entries.iter().find_map(|entry| match entry {
        Entry::Sent(Frame::Close(_)) => Some(None),
        Entry::Received(Frame::Close(close)) => {
            Some(Some(close.clone().unwrap_or((NONE, String::new()))))
        }
        _ => None,
    })?
}

/// Whether a fence arrived more than once: a service that doubles it doubles messages too.
fn doubled_fences(client: &Client) -> Option<Breach> {
    let mut fences = client.fences();
    let all = fences.len();
    fences.sort();
    fences.dedup();
    let words = || format!("{} received a fence twice", client.name());
    (fences.len() < all).then(|| Breach::of(words(), [ONCE]).at(client.name(), None))
}
