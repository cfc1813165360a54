//! A model test: random steps of two processes, either of which may end at any time, compared with a simple model.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::journal::tests::fixture::*;

#[derive(Debug, Clone)]
enum ModelStep {
    Begin {
        who: usize,
        number: u32,
        principal: usize,
        nonce: Option<u8>,
        most: Option<u32>,
        spend: Option<i64>,
        knows: bool,
        release: bool,
    },
    Clear {
        who: usize,
        which: usize,
    },
    Lose {
        who: usize,
        which: usize,
    },
    Settle {
        who: usize,
        which: usize,
        happened: bool,
        look: bool,
        sent: bool,
    },
    Resolve {
        who: usize,
        which: usize,
        happened: bool,
    },
    Preconditions {
        who: usize,
        number: u32,
        principal: usize,
        nonce: u8,
    },
    Crash {
        who: usize,
    },
    Wait {
        minutes: i64,
    },
    /// Somebody sets the wall clock.
    Jump {
        minutes: i64,
    },
    /// The caller of an operation goes away.
    Leave {
        who: usize,
        which: usize,
    },
    Refuse {
        who: usize,
        principal: usize,
        number: u32,
        nonce: Option<u8>,
    },
    Prune {
        who: usize,
    },
    /// The operator freezes all changes, or ends that.
    Freeze {
        who: usize,
        on: bool,
    },
}

fn steps() -> impl Strategy<Value = Vec<ModelStep>> {
    let who = || 0..2_usize;
    let which = || 0..64_usize;
    let step = prop_oneof![
        8 => (who(), 0..3_u32, 0..2_usize, proptest::option::weighted(0.3, 0..3_u8), proptest::option::weighted(0.5, 0..4_u32), proptest::option::weighted(0.3, 0..4_i64), any::<bool>(), proptest::bool::weighted(0.2))
            .prop_map(|(who, number, principal, nonce, most, spend, knows, release)| ModelStep::Begin { who, number, principal, nonce, most, spend, knows, release }),
        6 => (who(), which()).prop_map(|(who, which)| ModelStep::Clear { who, which }),
        3 => (who(), which()).prop_map(|(who, which)| ModelStep::Lose { who, which }),
        5 => (who(), which(), any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(who, which, happened, look, sent)| ModelStep::Settle { who, which, happened, look, sent }),
        2 => (who(), which(), any::<bool>()).prop_map(|(who, which, happened)| ModelStep::Resolve { who, which, happened }),
        2 => (who(), 0..3_u32, 0..2_usize, 0..3_u8).prop_map(|(who, number, principal, nonce)| ModelStep::Preconditions { who, number, principal, nonce }),
        2 => who().prop_map(|who| ModelStep::Crash { who }),
        2 => prop_oneof![Just(1), Just(16), Just(25 * 60), Just(91 * 24 * 60)].prop_map(|minutes| ModelStep::Wait { minutes }),
        2 => prop_oneof![Just(25 * 60), Just(91 * 24 * 60), Just(-25 * 60), Just(-730 * 24 * 60)].prop_map(|minutes| ModelStep::Jump { minutes }),
        3 => (who(), which()).prop_map(|(who, which)| ModelStep::Leave { who, which }),
        3 => (who(), 0..2_usize, 0..2_u32, proptest::option::weighted(0.3, 0..3_u8))
            .prop_map(|(who, principal, number, nonce)| ModelStep::Refuse { who, principal, number, nonce }),
        1 => who().prop_map(|who| ModelStep::Prune { who }),
        2 => (who(), proptest::bool::weighted(0.3)).prop_map(|(who, on)| ModelStep::Freeze { who, on }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A moment in minutes of the model: by the wall clock, and by the machine's own.
#[derive(Debug, Clone, Copy, Default)]
struct At {
    wall: i64,
    up: i64,
}

/// An operation as the model knows it.
#[derive(Debug, Clone)]
struct ModelOperation {
    id: Uuid,
    owner: u64,
    number: u32,
    principal: usize,
    release: bool,
    state: OperationPhase,
    reserved: bool,
    price: i64,
    acknowledged: bool,
    /// Whether nobody waits for it.
    left: bool,
    begun: At,
    ended: At,
    /// Grows with every change, as the store's own.
    changed: u64,
    /// The change it began with.
    born: u64,
}

impl ModelOperation {
    fn is_open(&self) -> bool {
        matches!(self.state, OperationPhase::Begun | OperationPhase::Sent | OperationPhase::Unknown)
    }
}

/// Equal refusals.
#[derive(Debug, Clone)]
struct Folded {
    principal: usize,
    number: u32,
    times: u64,
    ended: At,
    changed: u64,
}

#[derive(Default)]
struct Model {
    known: Vec<ModelOperation>,
    folded: Vec<Folded>,
    /// Answers that were used, by which operation, and when.
    nonces: Vec<(u8, Option<Uuid>, At)>,
    /// All that ever began, forgotten ones as well, so that a step can mean any of them.
    ever: Vec<Uuid>,
    now: At,
    changes: u64,
    frozen: bool,
}

#[derive(Debug, PartialEq)]
enum Says {
    Begins,
    Frozen,
    Flying(Uuid),
    JustDone(Uuid),
    NonceUsed,
    Unresolved(Vec<Uuid>),
    Cap(u32),
    Spend(i64),
}

impl Model {
    fn change(&mut self, at: usize, how: impl FnOnce(&mut ModelOperation)) {
        self.changes += 1;
        let one = &mut self.known[at];
        how(one);
        one.changed = self.changes;
    }

    /// A moment is past an age only if both clocks say so.
    fn is_past(&self, at: At, minutes: i64) -> bool {
        self.now.wall - at.wall >= minutes && self.now.up - at.up >= minutes
    }

    fn used(&self, release: bool) -> u32 {
        let today = self.known.iter().filter(|one| one.release == release && one.reserved);
        let today = today.filter(|one| !self.is_past(one.begun, 24 * 60));
        u32::try_from(today.count()).unwrap()
    }

    fn spent(&self, release: bool) -> i64 {
        let today = self.known.iter().filter(|one| one.release == release && one.reserved);
        let today = today.filter(|one| !self.is_past(one.begun, 24 * 60));
        today.map(|one| one.price).sum()
    }

    fn flying(&self, number: u32, release: bool) -> Option<Uuid> {
        // A release that was lost did not happen so far: its number was just seen.
        let stands = |one: &&ModelOperation| one.is_open() && !(one.release && one.state == OperationPhase::Unknown);
        let same = |one: &&ModelOperation| one.number == number && one.release == release;
        self.known.iter().filter(same).find(stands).map(|one| one.id)
    }

    fn just_done(&self, number: u32) -> Option<Uuid> {
        let done = |one: &&ModelOperation| one.number == number && one.state == OperationPhase::Done;
        let made = self.known.iter().filter(done).filter(|one| !one.release && !self.is_past(one.ended, 24 * 60));
        let last = made.max_by_key(|one| one.changed)?;
        let given_up = self.known.iter().filter(done).any(|one| one.release && one.born > last.changed);
        (!given_up).then_some(last.id)
    }

    fn unresolved(&self, principal: usize) -> Vec<Uuid> {
        let stops = |one: &ModelOperation| match one.state {
            OperationPhase::Unknown => true,
            OperationPhase::Begun | OperationPhase::Sent => one.left,
            OperationPhase::Done | OperationPhase::Refused => false,
        };
        let open =
            |one: &&ModelOperation| stops(one) && one.principal == principal && !one.acknowledged && !one.release;
        let mut open: Vec<_> = self.known.iter().filter(open).map(|one| one.id).collect();
        open.sort();
        open
    }

    fn nonce_used(&self, nonce: u8) -> bool {
        self.nonces.iter().any(|(used, ..)| *used == nonce)
    }

    fn begin(&mut self, id: Uuid, owner: u64, step: &ModelStep) -> Says {
        let &ModelStep::Begin { number, principal, nonce, most, spend, knows, release, .. } = step else {
            unreachable!()
        };
        if self.frozen {
            return Says::Frozen;
        }
        if let Some(open) = self.flying(number, release) {
            return Says::Flying(open);
        }
        if let Some(done) = self.just_done(number).filter(|_| !release) {
            return Says::JustDone(done);
        }
        if nonce.is_some_and(|nonce| self.nonce_used(nonce)) {
            return Says::NonceUsed;
        }
        if !release {
            let open = self.unresolved(principal);
            if !open.is_empty() && !knows {
                return Says::Unresolved(open);
            }
            for id in open {
                let at = self.known.iter().position(|one| one.id == id).unwrap();
                self.change(at, |one| one.acknowledged = true);
            }
        }
        if most.is_some_and(|most| self.used(release) >= most) {
            return Says::Cap(self.used(release));
        }
        if spend.is_some_and(|spend| self.spent(release) + 1 > spend) {
            return Says::Spend(self.spent(release));
        }
        self.changes += 1;
        let (begun, changed) = (self.now, self.changes);
        self.nonces.extend(nonce.map(|nonce| (nonce, Some(id), begun)));
        let price = i64::from(spend.is_some());
        self.known.push(ModelOperation {
            id,
            owner,
            number,
            principal,
            release,
            state: OperationPhase::Begun,
            reserved: true,
            price,
            acknowledged: false,
            left: false,
            begun,
            ended: At::default(),
            changed,
            born: changed,
        });
        self.ever.push(id);
        Says::Begins
    }

    /// What an operation's end makes of it; whether it changed.
    fn settle(&mut self, at: usize, happened: bool, look: bool, sent: bool) -> bool {
        let one = &self.known[at];
        let later = self.known.iter().any(|other| {
            other.number == one.number
                && other.release == one.release
                && other.changed > one.changed
                && other.state != OperationPhase::Refused
        });
        let may = match one.state {
            OperationPhase::Done => false,
            OperationPhase::Refused => happened && !(look && later),
            _ => true,
        };
        if may {
            let now = self.now;
            self.change(at, |one| {
                one.state = if happened { OperationPhase::Done } else { OperationPhase::Refused };
                one.reserved = happened;
                one.ended = now;
            });
            let id = self.known[at].id;
            self.nonces.retain(|(_, by, _)| sent || *by != Some(id));
        }
        may
    }

    fn die(&mut self, owner: u64) {
        for at in 0..self.known.len() {
            match (self.known[at].owner == owner, self.known[at].state) {
                (true, OperationPhase::Begun) => drop(self.settle(at, false, false, false)),
                (true, OperationPhase::Sent) => self.change(at, |one| one.state = OperationPhase::Unknown),
                _ => {}
            }
        }
    }

    /// What had begun is withdrawn, what was sent goes on. Returns how many of each there were.
    fn freeze(&mut self) -> (usize, usize) {
        let running: Vec<OperationPhase> = self.known.iter().map(|one| one.state).collect();
        for at in (0..running.len()).filter(|at| running[*at] == OperationPhase::Begun) {
            self.settle(at, false, false, false);
        }
        self.frozen = true;
        let count = |wanted| running.iter().filter(|state| **state == wanted).count();
        (count(OperationPhase::Begun), count(OperationPhase::Sent))
    }

    fn refuse(&mut self, principal: usize, number: u32, nonce: Option<u8>) {
        self.changes += 1;
        let (now, changed) = (self.now, self.changes);
        if let Some(nonce) = nonce.filter(|nonce| !self.nonce_used(*nonce)) {
            self.nonces.push((nonce, None, now));
        }
        match self.folded.iter_mut().find(|one| (one.principal, one.number) == (principal, number)) {
            Some(one) => (one.times, one.ended, one.changed) = (one.times + 1, now, changed),
            None => self.folded.push(Folded { principal, number, times: 1, ended: now, changed }),
        }
    }

    fn prune(&mut self) -> u64 {
        let changed = self.known.iter().map(|one| one.changed).chain(self.folded.iter().map(|one| one.changed));
        let newest = changed.max().unwrap_or(0);
        let before = self.known.len() + self.folded.len();
        let old = |now: At, at: At, minutes: i64| now.wall - at.wall >= minutes && now.up - at.up >= minutes;
        let now = self.now;
        self.known.retain(|one| one.is_open() || !old(now, one.ended, 90 * 24 * 60) || one.changed == newest);
        self.folded.retain(|one| !old(now, one.ended, 90 * 24 * 60) || one.changed == newest);
        self.nonces.retain(|(_, _, at)| !old(now, *at, 24 * 60));
        (before - self.known.len() - self.folded.len()) as u64
    }
}

fn principal(at: usize) -> Caller {
    Caller { principal: format!("p{at}"), ..Caller::local() }
}

fn intent(step: &ModelStep, model: &Model) -> Intent {
    let &ModelStep::Begin { number: at, principal: who, nonce, most, spend, knows, release: gives_up, .. } = step
    else {
        unreachable!()
    };
    let plain = if gives_up { release(&number(at)) } else { purchase(&number(at)) };
    Intent {
        caller: principal(who),
        nonce: nonce.map(|nonce| format!("n{nonce}")),
        most,
        price: spend.and_then(|_| money("1.00 USD")),
        spend: spend.map(|spend| Money::from_micros(spend * 1_000_000, "USD")),
        acknowledged: if knows { model.unresolved(who).iter().map(Uuid::to_string).collect() } else { Vec::new() },
        ..plain
    }
}

fn said(stop: Option<BeginConflict>) -> Says {
    let id = |one: &Operation| one.id.parse().unwrap();
    match stop {
        None => Says::Begins,
        Some(BeginConflict::Frozen(_)) => Says::Frozen,
        Some(BeginConflict::Flying(one)) => Says::Flying(id(&one)),
        Some(BeginConflict::JustDone(one)) => Says::JustDone(id(&one)),
        Some(BeginConflict::Resent(one)) => panic!("the model gives no ids to calls: {one:?}"),
        Some(BeginConflict::Stale(one)) => panic!("the model reads no account: {one:?}"),
        Some(BeginConflict::NonceUsed) => Says::NonceUsed,
        Some(BeginConflict::Unresolved(all)) => {
            let mut all: Vec<Uuid> = all.iter().map(id).collect();
            all.sort();
            Says::Unresolved(all)
        }
        Some(BeginConflict::Cap(used)) => Says::Cap(used),
        Some(BeginConflict::Spend(spent)) => Says::Spend(spent.micros() / 1_000_000),
    }
}

async fn play(fixture: &Fixture, steps: Vec<ModelStep>) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut journals = [(0_u64, fixture.journal()), (1, fixture.journal())];
    let mut born = 2;
    for step in steps {
        let pick = |which: usize| (!model.ever.is_empty()).then(|| model.ever[which % model.ever.len()]);
        let at = |id: Uuid| model.known.iter().position(|one| one.id == id);
        match step {
            ModelStep::Begin { who, .. } => {
                let (owner, journal) = &journals[who];
                let intent = intent(&step, &model);
                let id = intent.id;
                let answer = said(journal.begin(intent).await.unwrap());
                prop_assert_eq!(answer, model.begin(id, *owner, &step), "{:?}", step);
            }
            ModelStep::Clear { who, which } => {
                let Some(id) = pick(which) else { continue };
                let (owner, journal) = &journals[who];
                let may = |one: &ModelOperation| {
                    one.owner == *owner && matches!(one.state, OperationPhase::Begun | OperationPhase::Sent)
                };
                let wanted = at(id).filter(|at| !model.frozen && may(&model.known[*at]));
                prop_assert_eq!(journal.clear(id).await, Ok(wanted.is_some()));
                if let Some(at) = wanted {
                    model.change(at, |one| one.state = OperationPhase::Sent);
                }
            }
            ModelStep::Lose { who, which } => {
                let Some(id) = pick(which) else { continue };
                journals[who].1.lose(id, None, None, None).await;
                if let Some(at) = at(id).filter(|at| model.known[*at].is_open()) {
                    model.change(at, |one| one.state = OperationPhase::Unknown);
                }
            }
            ModelStep::Settle { who, which, happened, look, sent } => {
                let Some(id) = pick(which) else { continue };
                let known_by = if look { OutcomeSource::Look } else { OutcomeSource::Answer };
                let ending = Outcome { sent, ..Outcome::new(happened, "word", known_by) };
                let wanted = at(id).is_some_and(|at| model.settle(at, happened, look, sent));
                prop_assert_eq!(journals[who].1.settle(&id.to_string(), ending).await, wanted);
            }
            ModelStep::Resolve { who, which, happened } => {
                let Some(id) = pick(which) else { continue };
                let ending = Outcome::new(happened, "word", OutcomeSource::Operator);
                let answer = journals[who].1.resolve(id.to_string(), ending, String::new()).await.unwrap();
                let wanted = at(id).map(|at| {
                    let unknown = model.known[at].state == OperationPhase::Unknown;
                    unknown && model.settle(at, happened, false, true)
                });
                prop_assert_eq!(answer.map(|(_, changed)| changed), wanted);
            }
            ModelStep::Preconditions { who, number: at, principal: by, nonce } => {
                let flight = Some(format!("make:{}", number(at)));
                let nonce_text = Some(format!("n{nonce}"));
                let standing = journals[who]
                    .1
                    .standing(&principal(by), "purchase_number", flight, nonce_text, u32::MAX)
                    .await
                    .unwrap();
                prop_assert_eq!(standing.used, model.used(false));
                let spent = journals[who]
                    .1
                    .spent(&principal(by), "purchase_number", &Money::from_micros(i64::MAX, "USD"))
                    .await
                    .unwrap();
                prop_assert_eq!(
                    spent.micros() / 1_000_000,
                    model.spent(false),
                    "weighed before as it is when it begins"
                );
                prop_assert_eq!(standing.flying.map(|one| one.id), model.flying(at, false).map(|id| id.to_string()));
                let mut open: Vec<Uuid> = standing.unresolved.iter().map(|one| one.id.parse().unwrap()).collect();
                open.sort();
                prop_assert_eq!(open, model.unresolved(by));
                prop_assert_eq!(standing.unproven, 0, "the machine vouches for its own rows");
                prop_assert_eq!(standing.nonce_used, model.nonce_used(nonce));
            }
            ModelStep::Crash { who } => {
                let (owner, journal) = std::mem::replace(&mut journals[who], (born, fixture.journal()));
                born += 1;
                fixture.crash(journal).await;
                model.die(owner);
            }
            ModelStep::Wait { minutes } => {
                journals[0].1.wait(minutes * MINUTE).await;
                model.now = At { wall: model.now.wall + minutes, up: model.now.up + minutes };
            }
            ModelStep::Jump { minutes } => {
                journals[0].1.jump(minutes * MINUTE).await;
                model.now.wall += minutes;
            }
            ModelStep::Leave { who, which } => {
                let Some(id) = pick(which) else { continue };
                prop_assert!(journals[who].1.abandon(id).await);
                let runs = |one: &ModelOperation| {
                    matches!(one.state, OperationPhase::Begun | OperationPhase::Sent) && !one.left
                };
                if let Some(at) = at(id).filter(|at| runs(&model.known[*at])) {
                    model.change(at, |one| one.left = true);
                }
            }
            ModelStep::Refuse { who, principal: by, number: at, nonce } => {
                let refused = crate::journal::operation::RefusedCall {
                    caller: principal(by),
                    tool: "purchase_number",
                    object: OperationTarget::number(number(at)),
                    digest: "digest".to_owned(),
                    outcome: "human_declined",
                    rule: None,
                    client: None,
                    evidence: GateEvidence::default(),
                    nonce: nonce.map(|nonce| format!("n{nonce}")),
                };
                journals[who].1.refuse(refused).await;
                model.refuse(by, at, nonce);
            }
            ModelStep::Freeze { who, on: true } => {
                let report = journals[who].1.freeze(freeze(None)).await.unwrap();
                prop_assert_eq!((report.withdrawn, report.sent), model.freeze());
            }
            ModelStep::Freeze { who, on: false } => {
                let was_frozen = std::mem::take(&mut model.frozen);
                prop_assert_eq!(journals[who].1.unfreeze(None).await.unwrap().is_some(), was_frozen);
            }
            ModelStep::Prune { who } => prop_assert_eq!(journals[who].1.prune().await, Ok(model.prune())),
        }
        // Whatever happened, everybody sees the same, and it is what the model says.
        let all = journals[1].1.all().await;
        let (folded, rows): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|row| row.outcome.as_deref() == Some("human_declined"));
        let seen: BTreeSet<_> =
            folded.iter().map(|row| (row.principal.clone(), row.object.number.clone().unwrap(), row.times)).collect();
        let wanted = model
            .folded
            .iter()
            .map(|one| (principal(one.principal).principal, number(one.number), one.times))
            .collect();
        prop_assert_eq!(seen, wanted);
        let seen: BTreeSet<_> = rows.iter().map(|row| (row.id.clone(), row.state.as_str(), row.acknowledged)).collect();
        let wanted = model.known.iter().map(|one| (one.id.to_string(), one.state.as_str(), one.acknowledged)).collect();
        prop_assert_eq!(seen, wanted);
        let open = |row: &&Operation| match row.state {
            OperationPhase::Begun | OperationPhase::Sent => true,
            OperationPhase::Unknown => row.tool != "release_number",
            OperationPhase::Done | OperationPhase::Refused => false,
        };
        let numbers: Vec<_> = rows.iter().filter(open).map(|row| (&row.tool, &row.object.number)).collect();
        prop_assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len(), "two open with one key");
        let revisions: BTreeSet<i64> = all.iter().map(|row| row.rev).collect();
        prop_assert_eq!(revisions.len(), all.len(), "two changes with one revision");
    }
    Ok(())
}

#[test]
fn every_answer_is_as_in_the_model() {
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runner.run(&steps(), |steps| runtime.block_on(play(&Fixture::sqlite(), steps))).unwrap();
}

#[test]
fn every_answer_over_postgres_is_as_in_the_model() {
    let Some(server) = server::TestDatabaseServer::find() else { return };
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let play = |steps| runtime.block_on(async { play(&server.fixture().await, steps).await });
    runner.run(&steps(), play).unwrap();
}
