//! The script against the rules it repeats: the same messages at the same times, the same answers.

mod world;

use paceline_coordinator::{Answer, Ask, Closed, End, Epoch, Shared};
use paceline_limiter::Metric;
use paceline_testkit::redis::RedisServer;

use super::*;
use crate::wire;
use world::World;

const KEY: &str = "ratelimit:{one}:v1";

/// The script with its clock set by who calls it. It exists in these tests only.
fn with_set_clock() -> Exchange {
    let clock = "local clock = redis.call('TIME')";
    assert_eq!(EXCHANGE.matches(clock).count(), 1);
    Exchange::of(&EXCHANGE.replace(clock, "local clock = { 0, ARGV[5] }"))
}

struct Store {
    connection: redis::Connection,
    script: Exchange,
    server: RedisServer,
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

    fn exchange(&mut self, ask: &Ask, now_us: u64) -> Answer {
        self.exchange_with("run", ask, now_us)
    }

    fn exchange_with(&mut self, server: &str, ask: &Ask, now_us: u64) -> Answer {
        let message = wire::encode(ask);
        let call = Call {
            key: KEY,
            message: &message,
            server,
            channels: "ratelimit:wake:",
            domain: "one",
        };
        let mut command = self.script.by_text(&call);
        let bytes: Vec<u8> = command.arg(now_us).query(&mut self.connection).unwrap();
        wire::decode(ask, &bytes).unwrap()
    }

    fn lose(&mut self) {
        self.server.command(&["DEL", KEY]).unwrap();
    }
}

#[test]
fn the_script_answers_as_the_rules_do() {
    let mut store = Store::start();
    let seeds = std::env::var("PACELINE_SEEDS").map_or(12, |text| text.parse().unwrap());
    for seed in 0..seeds {
        store.lose();
        let mut world = World::new(seed);
        let mut shared = None;
        for step in 0..400 {
            if world.loses() {
                store.lose();
                shared = None;
            }
            let (ask, now) = world.next();
            let fresh = || Shared::new(Epoch(now), now);
            let expected = shared.get_or_insert_with(fresh).exchange(&ask, now);
            let answer = store.exchange(&ask, now);
            assert_eq!(answer, expected, "seed {seed}, step {step}: {ask:?}");
            world.hear(&ask, &expected);
        }
    }
}

/// A message that is too long to be read, fetched or written in one piece.
#[test]
fn a_long_message_is_taken_in_whole() {
    let mut store = Store::start();
    let now = 1_700_000_000_000_000;
    let mut shared = Shared::new(Epoch(now), now);
    let mut ask = World::long_message(2_100);
    for step in 0..3 {
        ask.sequence += 1;
        let time = now + step * 1_000_000;
        let expected = shared.exchange(&ask, time);
        assert_eq!(store.exchange(&ask, time), expected, "step {step}");
        let heads = ask.heads.drain(..).zip(1..);
        let closed = heads.map(|(head, tokens)| Closed {
            id: head.id,
            end: End::Charged(head.charge.with(Metric::Tokens, tokens)),
        });
        ask.closed = closed.collect();
        let in_flight = if step == 0 { 2_100 } else { 0 };
        assert_eq!(expected.in_flight, in_flight);
    }
}

#[test]
fn constants_are_numbers_before_the_server_sees_them() {
    let code = "local A_B, C = 1, 0.9\nlocal x = A_B + C -- AB\nlocal INF = math.huge";
    let inlined = with_constants_in_place(code);
    assert_eq!(
        inlined,
        "\nlocal x = 1 + 0.9 -- AB\nlocal INF = math.huge\n"
    );
    let left = with_constants_in_place(EXCHANGE);
    assert!(!left.contains("S_NOW") && !left.contains("C_LEVEL") && left.contains("INF"));
}
