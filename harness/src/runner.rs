//! One scenario played, from stage to verdict.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::breach::Breach;
use crate::client::{Client, LONG_PATIENCE, PATIENCE};
use crate::comparison::noticed::noticed;
use crate::endpoint::Endpoint;
use crate::profile::{Capability, Profile};
use crate::saboteur::{self, Between, Sabotage};
use crate::scenario::{Failure, Outcome, Scenario};
use crate::snapshot::{self, Change};
use crate::stage::{AWAY_REFUSES, Lines, Stage, User};
use crate::system::{Part, Run, Runtime, Settings, StartError, Stock, System};
use crate::token::ADVICE;
use crate::verdict::{Broken, Verdict};

/// The longest that one scenario may take: one that hangs does not hold up the run.
const SCENARIO_DEADLINE: Duration = Duration::from_secs(300);

/// How many scenarios on systems of their own are played at the same time: starting one keeps a small machine busy, and then
/// most wait.
pub const OWN_AT_ONCE: usize = 6;

/// How long the websocket service may take to reach Redis once it answers.
const ACCEPT_DEADLINE: Duration = LONG_PATIENCE;
/// How often it is asked meanwhile.
const ACCEPT_INTERVAL: Duration = Duration::from_millis(10);
/// The close code of a service that cannot keep its promise now (contract, The promise).
const UNAVAILABLE: u16 = 1011;
/// The close code of a refused token (contract, A refused token).
const REFUSED: u16 = 1008;

/// Where scenarios are played: on a system that they share, or on one of their own. A signal takes all of them down.
///
/// Futures are boxed: so they are compiled here, once, and not in every crate that waits for them.
pub struct Theatre {
    run: Run,
    stock: Arc<Stock>,
    shared: OnceCell<Scene>,
    own: Semaphore,
    /// Systems that scenarios had to themselves and left as they found them, for others that want the same.
    left: Mutex<Vec<(Settings, Scene)>>,
    /// Which system of a scenario's own did not even deliver on an ordinary day, and how.
    unordinary: OnceCell<String>,
    /// How often a saboteur with nothing to break has stood before a stage; none where nobody is to stand there.
    idled: Option<AtomicUsize>,
}

/// A started system and the lines to it.
#[derive(Clone)]
struct Scene {
    system: Arc<System>,
    lines: Lines,
    /// The services that cannot be used, and why.
    trouble: BTreeMap<Capability, String>,
}

impl Theatre {
    /// Builds what the systems of `profile` are started from. `say` gets a line for what a person should know.
    pub fn open<'a>(
        profile: Profile,
        runtime: Option<Runtime>,
        say: &'a (dyn Fn(&str) + Sync),
    ) -> BoxFuture<'a, Result<Self, StartError>> {
        match Run::begin() {
            Ok(run) => Self::open_in(run, profile, runtime, say),
            Err(error) => {
                let words = format!("no signal can be handled: {error}");
                ready(Err(StartError(words))).boxed()
            }
        }
    }

    /// The same in a run that has begun, beside others: a signal takes all of its systems down.
    pub fn open_in<'a>(
        run: Run,
        profile: Profile,
        runtime: Option<Runtime>,
        say: &'a (dyn Fn(&str) + Sync),
    ) -> BoxFuture<'a, Result<Self, StartError>> {
        Self::prepared(run, profile, runtime, say).boxed()
    }

    async fn prepared(
        run: Run,
        profile: Profile,
        runtime: Option<Runtime>,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, StartError> {
        crate::panics::mask_messages();
        // Thousands of connections need more open files than a shell often allows, here and in the processes started from
        // here. Where no more are to be had the scenarios that need them tell.
        let _ = rlimit::increase_nofile_limit(u64::MAX);
        Ok(Self {
            run,
            stock: Arc::new(Stock::prepare(profile, runtime, say).await?),
            shared: OnceCell::new(),
            own: Semaphore::new(OWN_AT_ONCE),
            left: Mutex::default(),
            unordinary: OnceCell::new(),
            idled: None,
        })
    }

    /// From now on a saboteur with nothing to break stands before every stage. The reviewed flows are then not asked for.
    pub fn behind_a_saboteur(self) -> Self {
        Self {
            idled: Some(AtomicUsize::new(0)),
            ..self
        }
    }

    /// The system that scenarios share, started now if it has not been.
    pub fn system(&self) -> BoxFuture<'_, Result<&Arc<System>, StartError>> {
        async { Ok(&self.shared().await?.system) }.boxed()
    }

    /// Starts the shared system if one of `scenarios` needs it, so that one that cannot start is not every scenario's failure.
    pub fn prepare<'a>(
        &'a self,
        scenarios: &'a [Scenario],
    ) -> BoxFuture<'a, Result<(), StartError>> {
        async {
            if scenarios
                .iter()
                .any(|scenario| scenario.own_system.is_none())
            {
                self.shared().await?;
            }
            Ok(())
        }
        .boxed()
    }

    /// Where the suite's own parts run.
    pub fn runtime(&self) -> Runtime {
        self.stock.runtime()
    }

    /// Where all parts run, in words.
    pub fn places(&self) -> String {
        self.stock.places()
    }

    /// Keeps the systems up until a signal comes, which takes them down and ends the process with `status`.
    pub async fn keep(&self, status: u8) {
        self.run.verdict_is(status);
        std::future::pending().await
    }

    /// Takes every system down.
    pub fn stop(&self) -> BoxFuture<'_, ()> {
        self.run.stop().boxed()
    }

    /// Plays `scenario` on a stage of its own and compares its flow with the reviewed one. After a signal it never
    /// returns: what happens while the system goes down is no verdict, and the process ends soon.
    pub fn play<'a>(&'a self, scenario: &'a Scenario) -> BoxFuture<'a, Verdict> {
        let between = match &self.idled {
            None => Between::Nobody,
            Some(idled) => Between::Saboteur(saboteur::idle(idled.fetch_add(1, Ordering::Relaxed))),
        };
        self.play_behind(between, scenario).boxed()
    }

    /// The same while `sabotage` breaks its promise, for this scenario alone.
    pub fn play_sabotaged<'a>(
        &'a self,
        sabotage: &'static Sabotage,
        scenario: &'a Scenario,
    ) -> BoxFuture<'a, Verdict> {
        let between = Between::Saboteur(Some(sabotage));
        self.play_behind(between, scenario).boxed()
    }

    async fn play_behind(&self, between: Between, scenario: &Scenario) -> Verdict {
        tokio::select! {
            biased;
            () = self.run.interrupted() => std::future::pending().await,
            verdict = self.verdict(between, scenario) => verdict,
        }
    }

    async fn verdict(&self, between: Between, scenario: &Scenario) -> Verdict {
        let mut began = Instant::now();
        let unreached = |words: String| {
            let broken = Broken::unreached(Failure::System(words));
            Verdict::of(scenario, String::new(), Err(broken))
        };
        let verdict = if let Some(trouble) = self.trouble(scenario) {
            unreached(trouble)
        } else if let Some(settings) = &scenario.own_system {
            // Never closed: acquiring cannot fail.
            let _turn = self.own.acquire().await;
            if let Some(words) = self.unordinary.get()
                && scenario.all_needs().contains(&Capability::Websocket)
            {
                return unreached(format!(
                    "not played, for nothing can be said of faults: {words}"
                ));
            }
            began = Instant::now();
            let settings = needed(settings, scenario);
            match self.take_left_or_start(&settings).await {
                Ok(scene) => {
                    let up = Instant::now();
                    let played = match scene.trouble_for(scenario) {
                        Some(trouble) => unreached(trouble),
                        None => self.play_on_own(scenario, &scene, between).await,
                    };
                    let over = Instant::now();
                    self.leave_or_end(settings, scene, played.result.is_ok())
                        .await;
                    Verdict {
                        starting: (up - began) + over.elapsed(),
                        ..played
                    }
                }
                Err(error) => unreached(error.to_string()),
            }
        } else {
            match self.shared().await {
                Ok(scene) => match scene.trouble_for(scenario) {
                    Some(trouble) => unreached(trouble),
                    None => play_and_compare(scenario, scene, between).await,
                },
                Err(error) => unreached(error.to_string()),
            }
        };
        Verdict {
            took: began.elapsed(),
            ..verdict
        }
    }

    /// A system with these settings: one that a scenario has left as it found it, or a new one.
    async fn take_left_or_start(&self, settings: &Settings) -> Result<Scene, StartError> {
        let left = {
            let mut left = self.left();
            let index = left.iter().position(|(of, _)| of == settings);
            index.map(|index| left.swap_remove(index).1)
        };
        match left {
            Some(scene) => Ok(scene),
            None => self.start(settings).await,
        }
    }

    /// Keeps a system that a scenario has left as it found it; ends any other, and the oldest where there are too many.
    async fn leave_or_end(&self, settings: Settings, scene: Scene, kept: bool) {
        let superfluous = if kept && scene.system.is_as_started().await {
            let mut left = self.left();
            left.push((settings, scene));
            (left.len() > OWN_AT_ONCE).then(|| left.remove(0).1)
        } else {
            Some(scene)
        };
        if let Some(scene) = superfluous {
            self.run.end(&scene.system).await;
        }
    }

    fn left(&self) -> MutexGuard<'_, Vec<(Settings, Scene)>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plays `scenario` on a system of its own, if that delivers before anything is done to it. Where one does not, none of
    /// the others is asked again: they are the same, and what their scenarios would say is no news.
    async fn play_on_own(&self, scenario: &Scenario, scene: &Scene, between: Between) -> Verdict {
        if !scenario.all_needs().contains(&Capability::Websocket) {
            return play_and_compare(scenario, scene, between).await;
        }
        let (system, lines) = (&scene.system, &scene.lines);
        let ordinary = async {
            Stage::ordinary_day(Arc::clone(system), lines.clone()).await?;
            Stage::all_gone(Arc::clone(system), lines.clone()).await
        };
        match ordinary.await {
            Ok(()) => play_and_compare(scenario, scene, between).await,
            Err(failure) => {
                // The scenario itself tells all of it.
                let whole = failure.to_string();
                let first = whole.lines().next().unwrap_or_default();
                let _ = self.unordinary.set(format!("{}: {first}", scenario.id));
                Verdict::of(scenario, String::new(), Err(Broken::unreached(failure)))
            }
        }
    }

    /// Why what `scenario` needs cannot be used, if the shared system has shown so: a system of its own would be the same.
    fn trouble(&self, scenario: &Scenario) -> Option<String> {
        self.shared.get()?.trouble_for(scenario)
    }

    async fn shared(&self) -> Result<&Scene, StartError> {
        let settings = Settings::default().replicated();
        self.shared.get_or_try_init(|| self.start(&settings)).await
    }

    async fn start(&self, settings: &Settings) -> Result<Scene, StartError> {
        let system = self.run.start(&self.stock, settings).await?;
        let opened = async {
            let lines = Lines::open(&system).await?;
            let mut trouble = system.trouble.clone();
            // What the contract knows nothing of is asked nothing that it says.
            let asked = system.websocket.is_some()
                && system.profile().lack(Capability::Websocket).is_none();
            for part in system.replicas(Part::WebsocketService) {
                if !asked || trouble.contains_key(&Capability::Websocket) {
                    break;
                }
                let endpoint = system.endpoint_past_balancer(part)?;
                if let Err(failure) = until_accepting(&system, &lines, &endpoint).await {
                    let log = system.last_words(part).await;
                    let words = format!("{}\n{log}", words(failure));
                    trouble.insert(Capability::Websocket, words.trim_end().to_owned());
                }
            }
            match system.nothing_to_use(&trouble) {
                Some(words) => Err(Failure::System(words)),
                None => Ok((lines, trouble)),
            }
        };
        match opened.await {
            Ok((lines, trouble)) => Ok(Scene {
                system,
                lines,
                trouble,
            }),
            Err(failure) => {
                self.run.end(&system).await;
                Err(StartError(words(failure)))
            }
        }
    }
}

/// The settings of a system for `scenario` alone: of a service that it does not need none is started.
fn needed(settings: &Settings, scenario: &Scenario) -> Settings {
    let needs = scenario.all_needs();
    let services = [Capability::Websocket, Capability::Gateway].map(|need| needs.contains(&need));
    match services {
        [true, false] => settings.clone().without(Part::ApiGateway),
        [false, true] => settings.clone().without(Part::WebsocketService),
        _ => settings.clone(),
    }
}

/// What is said of a system that is not played on.
fn words(failure: Failure) -> String {
    match failure {
        Failure::System(words) => words,
        other => other.to_string(),
    }
}

impl Scene {
    /// Why what `scenario` needs cannot be used.
    fn trouble_for(&self, scenario: &Scenario) -> Option<String> {
        let needs = scenario.all_needs();
        needs
            .iter()
            .find_map(|need| self.trouble.get(need))
            .cloned()
    }
}

/// Plays `scenario` on a stage of its own and compares its flow with the reviewed one.
async fn play_and_compare(scenario: &Scenario, scene: &Scene, between: Between) -> Verdict {
    let opened = Stage::behind(Arc::clone(&scene.system), scene.lines.clone(), between);
    let stage = match opened.await {
        Ok(stage) => stage,
        Err(failure) => {
            let broken = Broken::unreached(failure);
            return Verdict::of(scenario, String::new(), Err(broken));
        }
    };
    let mark = scene.system.log_mark();
    let outcome = play_to_the_end(scenario, &stage).await;
    let exercised = stage.exercised();
    let (totals, account) = stage.accounts();
    let mut redactor = stage.redactor();
    let flow = stage.flow();
    let told = flow.told(&redactor);
    let text = told.text();
    let noticed = noticed(&flow, &redactor, scene.lines.rules().wording());
    let mut log = || {
        let words = [stage.mark().to_owned()];
        redactor.text(&scene.system.log_since(&mark, &words))
    };
    // What a saboteur does must be noticed where there are no reviewed flows as well.
    let reference = scene.system.is_reference() && between == Between::Nobody;
    let result = match outcome {
        Err(failure) => Err(Broken {
            failure: failure.redacted(&mut stage.redactor()),
            account,
            change: changed(scenario, &text).filter(|_| reference),
            log: log(),
        }),
        // The reviewed flows are the reference's, words and all. What another system's must be like the contract says, and
        // every step of the scenario has asked it.
        Ok(()) if !reference => Ok(()),
        Ok(()) => snapshot::compare(scenario, &text).map_err(|change| Broken {
            failure: unreviewed(&change),
            account,
            change: Some(change),
            log: log(),
        }),
    };
    stage.leave();
    Verdict {
        exercised,
        told,
        noticed,
        totals,
        ..Verdict::of(scenario, text, result)
    }
}

/// Waits until the websocket service at `endpoint` no longer closes a good connection with 1011, which is how it says that
/// it has not yet reached Redis. One that serves nobody, or to which nothing comes that is published, is no system to play
/// scenarios on; whatever else it does is for the scenarios to judge.
pub(crate) async fn until_accepting(
    system: &Arc<System>,
    lines: &Lines,
    endpoint: &Endpoint,
) -> Outcome {
    until_accepted(system, lines, endpoint, None, false).await
}

/// Waits until the websocket service at `endpoint` serves again after something was done to the system; in a cluster, the user
/// with this id, for one may be served while another is not.
pub(crate) async fn until_accepting_again(
    system: &Arc<System>,
    lines: &Lines,
    endpoint: &Endpoint,
    id: Option<&str>,
) -> Outcome {
    let accepted = until_accepted(system, lines, endpoint, id, true).await;
    accepted.map_err(|failure| Failure::broken(format!("nothing is in the way, and {failure}")))
}

async fn until_accepted(
    system: &Arc<System>,
    lines: &Lines,
    endpoint: &Endpoint,
    id: Option<&str>,
    again: bool,
) -> Outcome {
    let deadline = Instant::now() + ACCEPT_DEADLINE;
    loop {
        let stage = Stage::new(Arc::clone(system), lines.clone());
        if again {
            stage.note_fault("what was done is over");
        }
        let probe = match id {
            Some(id) => stage.user_with_id("probe", id),
            None => stage.user("probe"),
        };
        let served = match connected(&stage, endpoint, &probe).await {
            Ok(client) => {
                // How it went shows in the end of the connection alone.
                let settled = stage.settle().await;
                // But among several servers, the one to publish at may have to be found yet.
                let nowhere =
                    system.has_several_servers() && matches!(settled, Err(Failure::System(_)));
                // First whether it is lost: a close that comes in between then counts as one.
                let lost_by = client.lost();
                match (client.close_code(), lost_by) {
                    (Some(UNAVAILABLE), _) => Ok(false),
                    (None, None) if nowhere => Ok(false),
                    (_, Some(words)) => Err(lost(&client, &words)),
                    (_, None) => delivered(&stage, &client).await.map(|()| true),
                }
            }
            // One that refuses like this while Redis is away breaks the contract, and may serve soon.
            Err(Failure::Broken(breaches))
                if breaches
                    .iter()
                    .all(|breach| breach.promise(&[]) == Some(AWAY_REFUSES)) =>
            {
                Ok(false)
            }
            Err(Failure::Broken(breaches)) => {
                let words = breaches.first().map_or("", Breach::words);
                Err(Failure::System(format!(
                    "the websocket service does not upgrade a connection with a good token: {words}; check `url`, \
                     `path` and `token_in` of [websocket] in the profile"
                )))
            }
            Err(failure) => Err(failure),
        };
        let redactor = &mut stage.redactor();
        let served = served.map_err(|failure| failure.redacted(redactor));
        stage.leave();
        if served? {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::System(format!(
                "the websocket service still refuses every connection after {} s, with {UNAVAILABLE} or before the upgrade",
                ACCEPT_DEADLINE.as_secs()
            )));
        }
        sleep(ACCEPT_INTERVAL).await;
    }
}

/// A connection of `user`. A service that runs already need not first find its Redis: if it does not answer soon, it is
/// something else.
async fn connected(stage: &Stage, endpoint: &Endpoint, user: &User) -> Outcome<Client> {
    let connecting = stage.connect_at(endpoint, user);
    if stage.system().starts(Part::WebsocketService) {
        return connecting.await;
    }
    timeout(PATIENCE, connecting).await.unwrap_or_else(|_| {
        let words = format!("no answer to the upgrade in {} s", PATIENCE.as_secs());
        Err(Failure::broken(words))
    })
}

/// Why a service that ends a good connection at once is no system to play scenarios on.
fn lost(client: &Client, words: &str) -> Failure {
    let name = client.name();
    Failure::System(match client.close_code() {
        Some(REFUSED) => {
            format!("the websocket service refuses a good token: {name} {words}; {ADVICE}")
        }
        _ => format!(
            "the websocket service does not keep a good connection: {name} {words}; check `url`, `path` and `token_in` of \
             [websocket] in the profile"
        ),
    })
}

/// Whether anything that is published comes, to a client to which nothing has come yet: of a system that the suite did
/// not set up itself, nobody can tell whether its service loses everything or listens to another Redis.
async fn delivered(stage: &Stage, client: &Client) -> Outcome {
    if stage.system().is_reference() || !client.has_nothing() {
        return Ok(());
    }
    // A service that subscribes too late loses what came first, and that is for the scenarios to judge.
    let settled = stage.settle().await;
    if !client.has_nothing() {
        return Ok(());
    }
    if let Some(words) = client.lost() {
        return Err(lost(client, &words));
    }
    if let Err(failure @ Failure::System(_)) = settled {
        return Err(failure);
    }
    Err(Failure::System(
        "the websocket service takes a good connection, and nothing that is published reaches it; check that [redis] of \
         the profile is the Redis that it listens to, and [backplane] its channel"
            .to_owned(),
    ))
}

/// The scenario and a last fence, in a task of its own, so that a panic or a hang stays its own.
async fn play_to_the_end(scenario: &Scenario, stage: &Stage) -> Outcome {
    let played = scenario.play(stage.clone());
    let settles = stage.clone();
    let mut task = tokio::spawn(async move {
        played.await?;
        settles.settle().await
    });
    match timeout(SCENARIO_DEADLINE, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(Failure::Bug(format!("the scenario panicked: {panic}"))),
        Err(_) => {
            task.abort();
            Err(Failure::broken(format!(
                "the scenario was not over after {} s: the system keeps it waiting",
                SCENARIO_DEADLINE.as_secs()
            )))
        }
    }
}

/// How a failed scenario's flow differs from the reviewed one. Nothing is left to be accepted: a failure is no news.
fn changed(scenario: &Scenario, text: &str) -> Option<Change> {
    let reviewed = snapshot::reviewed(&scenario.id)?;
    (reviewed.trim_end() != text.trim_end()).then(|| Change::Flow(snapshot::diff(&reviewed, text)))
}

fn unreviewed(change: &Change) -> Failure {
    match change {
        Change::New => Failure::Unreviewed("nobody has accepted this flow yet".to_owned()),
        Change::Header(_) => {
            Failure::Unreviewed("the reviewed flow's header is out of date".to_owned())
        }
        Change::Flow(_) => Failure::broken("the flow is not the reviewed one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scenario that notes on which system it is played, and does something to a part of it or nothing.
    fn scenario(seen: &Arc<Mutex<Vec<String>>>, touches: bool) -> Scenario {
        let seen = Arc::clone(seen);
        let played = move |stage: Stage| {
            let seen = Arc::clone(&seen);
            async move {
                let system = stage.system();
                let redis = system.redis().map(|redis| redis.url().to_owned());
                seen.lock().unwrap().extend(redis);
                if touches {
                    let service = Part::WebsocketService;
                    system.pause(service).await.map_err(Failure::System)?;
                    system.resume(service).await.map_err(Failure::System)?;
                }
                Ok(())
            }
        };
        Scenario::new("resilience/test", "", played)
            .needs([Capability::Websocket])
            .on_own_system(Settings::default())
    }

    #[tokio::test]
    async fn a_system_of_a_scenarios_own_is_used_again_if_nothing_was_done_to_it() {
        let profile = Profile::reference().unwrap();
        let opened = Theatre::open(profile, Some(Runtime::Processes), &|_| {}).await;
        // So that no reviewed flow is asked for.
        let theatre = opened.unwrap().behind_a_saboteur();
        let seen = Arc::default();
        for touches in [false, true, false] {
            let verdict = theatre.play(&scenario(&seen, touches)).await;
            assert!(verdict.result.is_ok(), "{:?}", verdict.result);
        }
        theatre.stop().await;
        let seen = seen.lock().unwrap();
        assert_eq!(seen[0], seen[1]);
        assert_ne!(seen[1], seen[2]);
    }
}
