//! The script against the rules it repeats: the same messages at the same times, the same answers.

use paceline_coordinator::InstanceId;
use paceline_coordinator::budgets::{
    Accounts, Budget, CallId, Line, Period, Receipt, Request, Spend, Unit,
};
use paceline_testkit::redis::RedisServer;

use super::*;

/// The script with its clock set by who calls it. It exists in these tests only.
fn with_set_clock() -> String {
    let clock =
        "local clock = redis.call('TIME')\nlocal raw = clock[1] * 1000 + floor(clock[2] / 1000)";
    assert_eq!(BUDGETS.matches(clock).count(), 1);
    BUDGETS.replace(clock, "local raw = tonumber(ARGV[#ARGV])")
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// A deployment that does everything there is, in any order.
struct World {
    dice: Dice,
    now_ms: u64,
    budgets: Vec<Budget>,
    sequence: u64,
    /// How calls were let in, as far as anybody was told.
    receipts: Vec<(CallId, Vec<Receipt>)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let units = [Unit::Nanousd, Unit::Tokens, Unit::Requests];
        let budgets = (0..4).map(|number| Budget {
            name: format!("b{number}"),
            scope: format!("tenant:{{{number}}} ü"),
            unit: dice.pick(&units),
            amount: dice.pick(&[10, 100, 997, (1 << 53) - 1, 9_007_199_254_740_990]),
            period: dice.pick(&Period::ALL),
            utc_offset_min: dice.pick(&[0, -300, 330, 765]),
            is_hard: dice.below(4) > 0,
            thresholds: vec![33, 50, 80, 100, 150],
        });
        let budgets = budgets.collect();
        Self {
            now_ms: 1_709_200_000_000 + dice.below(1_000_000_000),
            dice,
            budgets,
            sequence: 0,
            receipts: Vec::new(),
        }
    }

    fn spend(&mut self) -> Spend {
        let most = self.dice.pick(&[1, 5, 40, 400, 1 << 53]);
        Spend {
            nanousd: self.dice.below(most + 1),
            tokens: self.dice.below(most + 1),
            requests: self.dice.below(2),
        }
    }

    fn pass_time(&mut self) {
        let step = self
            .dice
            .pick(&[0, 1, 700, 30_000, 60_000, 400_000, 4_000_000, 90_000_000]);
        if self.dice.below(3) == 0 {
            self.now_ms += self.dice.below(step + 1);
        }
        if self.dice.below(40) == 0 {
            self.now_ms -= self.dice.below(5_000);
        }
        if self.dice.below(200) == 0 {
            self.now_ms += self.dice.below(40 * 86_400_000);
        }
    }

    fn request(&mut self) -> Request {
        match self.dice.below(10) {
            0..4 => Request::Reserve {
                lease_ms: self.dice.pick(&[100, 50_000, 600_000, u64::MAX]),
                expected: self.spend(),
                worst: self.spend(),
            },
            4..8 => Request::Close {
                actual: self.spend(),
                ended_ago_ms: self.dice.pick(&[0, 10, 1_000_000, u64::MAX]),
            },
            8 => Request::Seed {
                window_ms: 0,
                spent: self.dice.below(200),
            },
            _ => Request::Look,
        }
    }

    fn next(&mut self) -> (BudgetAsk, u64) {
        self.pass_time();
        if self.dice.below(30) == 0 {
            let index = usize::try_from(self.dice.below(4)).unwrap();
            self.budgets[index].amount = self.dice.pick(&[0, 10, 50, 100, 997, (1 << 53) - 1]);
        }
        let mut request = self.request();
        let first = usize::try_from(self.dice.below(4)).unwrap();
        let count = if matches!(request, Request::Seed { .. }) {
            1
        } else {
            1 + self.dice.below(3)
        };
        let mut call = CallId(u128::from(self.dice.below(12)) << 70);
        let mut known = Vec::new();
        if matches!(request, Request::Close { .. }) && !self.receipts.is_empty() {
            let index = self.dice.below(self.receipts.len() as u64);
            let (held, receipts) = self.receipts[usize::try_from(index).unwrap()].clone();
            (call, known) = (held, receipts);
        }
        let mut lines = Vec::new();
        for offset in 0..usize::try_from(count).unwrap() {
            let index = (first + offset) % 4;
            let budget = self.budgets[index].clone();
            let window_ms = budget.window(self.now_ms).start_ms;
            if let Request::Seed { window_ms: of, .. } = &mut request {
                *of = window_ms - self.dice.below(2) * 60_000 * u64::from(window_ms > 0);
            }
            let made_up = match self.dice.below(3) {
                0 => Receipt::Unsure,
                1 => Receipt::Elsewhere { window_ms },
                _ => {
                    let epoch = paceline_coordinator::Epoch(self.dice.below(3));
                    Receipt::Held { epoch, window_ms }
                }
            };
            lines.push(Line {
                budget,
                keeps: self.dice.pick(&[0, 0, 0, 3, 70]),
                receipt: known.get(index).copied().unwrap_or(made_up),
            });
        }
        self.sequence += 1;
        let ask = BudgetAsk {
            instance: InstanceId(1 + self.dice.below(3)),
            sequence: self.sequence.saturating_sub(self.dice.below(3)),
            gives_back: self.dice.below(4) == 0,
            call,
            lines,
            request,
        };
        (ask, self.now_ms)
    }

    /// Remembers how a call was let in.
    fn hear(&mut self, ask: &BudgetAsk, answer: &BudgetAnswer) {
        if answer.verdict != paceline_coordinator::budgets::Verdict::Reserved {
            return;
        }
        let mut receipts = vec![Receipt::Unsure; 4];
        for (line, now) in ask.lines.iter().zip(&answer.standings) {
            let index = self
                .budgets
                .iter()
                .position(|one| one.name == line.budget.name);
            receipts[index.unwrap()] = Receipt::Held {
                epoch: now.epoch,
                window_ms: now.window_ms,
            };
        }
        self.receipts.push((ask.call, receipts));
        if self.receipts.len() > 6 {
            self.receipts.remove(0);
        }
    }
}

struct Store {
    connection: redis::Connection,
    script: String,
    server: RedisServer,
}

const CHANNEL: &str = "ratelimit:wake:budgets";

fn key(name: &str) -> String {
    format!("ratelimit:budget{{budgets}}:{name}:v1")
}

impl Store {
    fn start() -> Self {
        let server = RedisServer::start().unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        Self {
            connection: client.get_connection().unwrap(),
            script: with_set_clock(),
            server,
        }
    }

    fn exchange(&mut self, ask: &BudgetAsk, now_ms: u64) -> BudgetAnswer {
        let names: Vec<String> = ask.lines.iter().map(|line| line.budget.key()).collect();
        let keys: Vec<String> = names.iter().map(|name| key(name)).collect();
        let message = wire::encode(ask);
        let mut command = command("EVAL", &self.script, &keys, &message, CHANNEL, &names);
        let bytes: Vec<u8> = command.arg(now_ms).query(&mut self.connection).unwrap();
        wire::decode(ask, &bytes).unwrap()
    }
}

#[test]
fn the_script_answers_as_the_rules_do() {
    let mut store = Store::start();
    let seeds = std::env::var("PACELINE_SEEDS").map_or(12, |text| text.parse().unwrap());
    let client = redis::Client::open(store.server.url()).unwrap();
    let mut listener = client.get_connection().unwrap();
    let mut listener = listener.as_pubsub();
    listener.subscribe(CHANNEL).unwrap();
    let mut kinds = [0_usize; 6];
    for seed in 0..seeds {
        store.server.command(&["FLUSHALL"]).unwrap();
        let mut world = World::new(seed);
        let mut accounts = Accounts::new();
        for step in 0..600 {
            let (ask, now_ms) = world.next();
            let mut expected = accounts.exchange(&ask, now_ms);
            let answer = store.exchange(&ask, now_ms);
            for wake in std::mem::take(&mut expected.wakes) {
                let word = match wake {
                    Wake::Room(key) => format!("+{key}"),
                    Wake::Return(key) => format!("-{key}"),
                    Wake::All => String::new(),
                };
                let message = listener.get_message().unwrap();
                let told: String = message.get_payload().unwrap();
                assert_eq!(told, word, "seed {seed}, step {step}");
            }
            assert_eq!(answer, expected, "seed {seed}, step {step}: {ask:?}");
            world.hear(&ask, &expected);
            use paceline_coordinator::budgets::Verdict as V;
            kinds[match expected.verdict {
                V::Reserved => 0,
                V::Wait { .. } => 1,
                V::Refused { .. } => 2,
                V::Unseeded => 3,
                V::Ended => 4,
                V::Done => 5,
            }] += 1;
        }
    }
    assert!(
        kinds.iter().all(|count| *count > 20),
        "all is met: {kinds:?}"
    );
}
