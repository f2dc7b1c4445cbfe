//! Each provider's limits in given time, as far as their kinds are known.

use super::*;
use crate::{
    charge::{Charge, RequestSize},
    enforcer::{Admission, Enforcer, Outcome, Refusal, Reservation},
    journal::{Decision, JournalEntry},
    verify::verify,
};

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;
/// The beginning of a minute of the clock.
const MINUTE_START: u64 = 1_790_812_800 * SECOND_NS;

/// A provider's pool, and its rules on what a request costs.
struct Judge {
    settings: SimulatorSettings,
    pool: Enforcer,
}

impl Judge {
    fn like(likeness: Likeness) -> Self {
        Self::of(SimulatorSettings::like(likeness))
    }

    fn of(settings: SimulatorSettings) -> Self {
        Self {
            pool: Enforcer::new(settings.limits.clone()),
            settings,
        }
    }

    fn charge(&self, prompt_tokens: u64, max_tokens: Option<u64>) -> Charge {
        let size = RequestSize {
            characters: prompt_tokens * 4,
            max_tokens,
            choices: 1,
            images: 0,
        };
        let formula = self.settings.charge_formula;
        let charge = formula.charge(&size, self.settings.default_max_tokens);
        self.settings.settlement.at_admission(charge)
    }

    fn admit(
        &mut self,
        now_ns: u64,
        prompt: u64,
        max: Option<u64>,
    ) -> Result<Reservation, Refusal> {
        let charge = self.charge(prompt, max);
        match self.pool.admit(now_ns, &charge) {
            Admission::Admitted(reservation) => Ok(reservation),
            Admission::Refused(refusal) => Err(refusal),
        }
    }

    /// Admits a request that is never ended.
    fn begin(&mut self, now_ns: u64, prompt: u64, max: Option<u64>) {
        let _running = self.admit(now_ns, prompt, max).unwrap();
    }

    fn used(&self, prompt: u64, cached: u64, output: u64) -> Charge {
        let formula = self.settings.charge_formula;
        self.settings
            .settlement
            .actual(formula, prompt, cached, output, 0)
    }

    fn end(&mut self, now_ns: u64, reservation: Reservation, used: Charge) {
        self.pool.settle(now_ns, reservation, &Outcome::Used(used));
    }

    /// How many requests without size are admitted at once.
    fn admitted_at(&mut self, now_ns: u64) -> u64 {
        let mut admitted = 0;
        while let Ok(reservation) = self.admit(now_ns, 1, Some(1)) {
            let used = self.used(1, 0, 1);
            self.end(now_ns, reservation, used);
            admitted += 1;
        }
        admitted
    }

    fn level(&mut self, now_ns: u64, metric: Metric, window_ms: u64) -> u64 {
        let levels = self.pool.levels(now_ns);
        let is_wanted = |quota: &Quota| quota.metric == metric && quota.window_ms == window_ms;
        levels
            .iter()
            .find(|level| is_wanted(&level.quota))
            .unwrap()
            .used
    }
}

fn requests_only(likeness: Likeness) -> Judge {
    let mut settings = SimulatorSettings::like(likeness);
    settings
        .limits
        .quotas
        .retain(|quota| quota.metric == Metric::Requests && quota.window_ms <= Quota::MINUTE_MS);
    Judge::of(settings)
}

#[test]
fn requests_are_limited_by_the_second_the_ten_seconds_the_minute_or_not_at_all() {
    let bursts = [
        (Likeness::Azure, 60),
        (Likeness::Anthropic, 50),
        (Likeness::Gemini, 15),
        (Likeness::Groq, 30),
        (Likeness::Mistral, 60),
        (Likeness::Cerebras, 30),
        (Likeness::OpenRouter, 20),
        (Likeness::XAi, 5),
        (Likeness::Cohere, 20),
        (Likeness::Bedrock, 200),
    ];
    for (likeness, burst) in bursts {
        let admitted = requests_only(likeness).admitted_at(MINUTE_START + 30 * SECOND_NS);
        assert_eq!(admitted, burst, "{likeness}");
    }
    let mut judge = Judge::like(Likeness::Vllm);
    for _ in 0..1_000 {
        judge.begin(MINUTE_START, 10_000, None);
    }
}

#[test]
fn the_next_requests_pass_when_each_providers_window_says_so() {
    let at = MINUTE_START + 31 * SECOND_NS;
    // How long after a burst at second 31 the first request passes again, and how many then do.
    let again = [
        (Likeness::Azure, 9 * SECOND_NS, 60),
        (Likeness::XAi, SECOND_NS, 5),
        (Likeness::Mistral, 29 * SECOND_NS, 60),
        (Likeness::OpenRouter, 29 * SECOND_NS, 20),
        (Likeness::Gemini, 29 * SECOND_NS, 15),
        (Likeness::Cohere, MINUTE_NS, 20),
        (Likeness::Groq, 2 * SECOND_NS, 1),
        (Likeness::Anthropic, MINUTE_NS / 50, 1),
    ];
    for (likeness, wait_ns, then) in again {
        let mut judge = requests_only(likeness);
        judge.admitted_at(at);
        assert_eq!(judge.admitted_at(at + wait_ns - 1), 0, "{likeness}");
        assert_eq!(judge.admitted_at(at + wait_ns), then, "{likeness}");
    }
}

#[test]
fn azures_minute_opens_with_its_first_use_and_holds_all_choices() {
    let mut judge = Judge::like(Likeness::Azure);
    let at = MINUTE_START + 50 * SECOND_NS;
    judge.begin(at, 20_000, Some(40_000));
    let refusal = judge.admit(at + 20 * SECOND_NS, 1, Some(1)).unwrap_err();
    assert_eq!(refusal.wait_ns(), 40 * SECOND_NS);
    judge.begin(at + MINUTE_NS, 20_000, Some(40_000));
    let many = RequestSize {
        characters: 400,
        max_tokens: None,
        choices: 2,
        images: 0,
    };
    let charge = judge.settings.charge_formula.charge(&many, 4_096);
    assert_eq!(charge.tokens, 100 + 2 * 4_096);
    assert!(!judge.settings.limits.refund);
}

#[test]
fn anthropic_counts_output_as_it_is_produced_and_no_cached_input() {
    let mut judge = Judge::like(Likeness::Anthropic);
    let minute = Quota::MINUTE_MS;
    // The limit of the request itself plays no part.
    let mut long = judge.admit(MINUTE_START, 10_000, Some(64_000)).unwrap();
    assert_eq!(
        judge.level(MINUTE_START, Metric::InputTokens, minute),
        10_000
    );
    assert_eq!(judge.level(MINUTE_START, Metric::OutputTokens, minute), 1);
    // The estimate is set right while the request is under way, and output goes beyond the limit.
    let so_far = judge.used(9_000, 8_000, 9_000);
    let (returned, added) = judge.pool.correct(MINUTE_START, &mut long, &so_far);
    assert_eq!((returned.input_tokens, added.output_tokens), (9_000, 8_999));
    assert_eq!(
        judge.level(MINUTE_START, Metric::InputTokens, minute),
        1_000
    );
    let refusal = judge.admit(MINUTE_START, 10, Some(10)).unwrap_err();
    assert_eq!(refusal.label(), "OTPM");
    // A thousand tokens too many and the one that the request begins with drain in 7.5 seconds.
    assert_eq!(refusal.wait_ns(), 1_001 * MINUTE_NS / 8_000);
    let used = judge.used(9_000, 8_000, 9_000);
    judge.end(MINUTE_START, long, used);
    judge.begin(MINUTE_START + refusal.wait_ns(), 10, Some(10));
}

#[test]
fn bedrock_reserves_the_longest_answer_and_settles_with_the_burndown() {
    let mut judge = Judge::like(Likeness::Bedrock);
    let minute = Quota::MINUTE_MS;
    let reservation = judge.admit(MINUTE_START, 1_000, Some(10_000)).unwrap();
    assert_eq!(judge.level(MINUTE_START, Metric::Tokens, minute), 11_000);
    let used = judge.used(1_000, 400, 50);
    judge.end(MINUTE_START + SECOND_NS, reservation, used);
    let at = MINUTE_START + SECOND_NS;
    assert_eq!(judge.level(at, Metric::Tokens, minute), 600 + 5 * 50);
    assert_eq!(judge.level(at, Metric::Tokens, Quota::DAY_MS), 850);
    // Without a limit of its own, a request reserves the model's.
    assert_eq!(judge.charge(1_000, None).tokens, 5_096);
}

#[test]
fn what_comes_back_at_the_end_differs_by_provider() {
    // Of a prompt of 1,000 tokens, 600 of them cached, and an answer of 100 with a limit of 500.
    let left = [
        (Likeness::Azure, Metric::Tokens, 1_500, 1_500),
        (Likeness::Cerebras, Metric::Tokens, 1_500, 1_500),
        (Likeness::Groq, Metric::Tokens, 1_000, 500),
        (Likeness::Mistral, Metric::Tokens, 1_000, 1_100),
        (Likeness::XAi, Metric::Tokens, 1_000, 1_100),
        (Likeness::Gemini, Metric::InputTokens, 1_000, 1_000),
    ];
    for (likeness, metric, before, after) in left {
        let mut judge = Judge::like(likeness);
        let reservation = judge.admit(MINUTE_START, 1_000, Some(500)).unwrap();
        let level = judge.level(MINUTE_START, metric, Quota::MINUTE_MS);
        assert_eq!(level, before, "{likeness} at admission");
        let used = judge.used(1_000, 600, 100);
        judge.end(MINUTE_START, reservation, used);
        let level = judge.level(MINUTE_START, metric, Quota::MINUTE_MS);
        assert_eq!(level, after, "{likeness} at the end");
    }
}

#[test]
fn failed_requests_keep_their_charge() {
    for likeness in [Likeness::Gemini, Likeness::Anthropic, Likeness::Groq] {
        let mut judge = Judge::like(likeness);
        let reservation = judge.admit(MINUTE_START, 1_000, Some(500)).unwrap();
        let charge = *reservation.charge();
        judge
            .pool
            .settle(MINUTE_START, reservation, &Outcome::Failed);
        let used = judge.level(MINUTE_START, Metric::Requests, Quota::MINUTE_MS);
        assert_eq!((used, charge.requests), (1, 1), "{likeness}");
    }
}

#[test]
fn deepseek_counts_requests_until_they_end() {
    let mut judge = Judge::like(Likeness::DeepSeek);
    let mut running: Vec<Reservation> = (0..20)
        .map(|_| judge.admit(MINUTE_START, 1, None).unwrap())
        .collect();
    let later = MINUTE_START + 3_600 * SECOND_NS;
    let refusal = judge.admit(later, 1, None).unwrap_err();
    assert_eq!(refusal, Refusal::Concurrency { limit: 20 });
    let ended = running.pop().unwrap();
    let used = judge.used(1, 0, 1);
    judge.end(later, ended, used);
    judge.begin(later, 1, None);
}

#[test]
fn steady_traffic_raises_what_together_allows() {
    let mut judge = Judge::like(Likeness::Together);
    assert_eq!(judge.admitted_at(MINUTE_START), 20);
    let level = judge.pool.dynamic_level(MINUTE_START).unwrap();
    assert_eq!((level.quota.amount, level.remaining), (20, 0));
    assert_eq!(level.reset_ns, 10 * SECOND_NS);
    assert_eq!(judge.admitted_at(MINUTE_START + MINUTE_NS), 30);
    assert_eq!(judge.admitted_at(MINUTE_START + 2 * MINUTE_NS), 45);
    // After a minute without traffic it is where it began.
    assert_eq!(judge.admitted_at(MINUTE_START + 4 * MINUTE_NS), 20);
}

#[test]
fn limits_of_several_windows_hold_together() {
    let mut judge = Judge::like(Likeness::OpenRouter);
    assert_eq!(judge.admitted_at(MINUTE_START), 20);
    assert_eq!(judge.admitted_at(MINUTE_START + MINUTE_NS), 20);
    assert_eq!(judge.admitted_at(MINUTE_START + 2 * MINUTE_NS), 10);
    let refusal = judge
        .admit(MINUTE_START + 3 * MINUTE_NS, 1, None)
        .unwrap_err();
    assert_eq!(refusal.label(), "RPD");
    let mut judge = Judge::like(Likeness::Cerebras);
    // 16,384 tokens are assumed where none are named: three fit into the minute's 60,000.
    for _ in 0..3 {
        judge.begin(MINUTE_START, 100, None);
    }
    assert_eq!(
        judge.admit(MINUTE_START, 100, None).unwrap_err().label(),
        "TPM"
    );
}

#[test]
fn limits_are_set_in_the_windows_in_which_they_are_kept() {
    let amount = |settings: &SimulatorSettings, metric, window_ms| {
        let quotas = settings.limits.quotas.iter();
        let mut quotas = quotas.filter(|q| q.metric == metric && q.window_ms == window_ms);
        quotas.next().map(|quota| quota.amount)
    };
    let set = |likeness, metric, limit| {
        let mut settings = SimulatorSettings::like(likeness);
        settings.set_limit(metric, limit, Quota::MINUTE_MS);
        settings
    };
    let azure = set(Likeness::Azure, Metric::Requests, 120);
    assert_eq!(amount(&azure, Metric::Requests, 10_000), Some(20));
    let xai = set(Likeness::XAi, Metric::Requests, 600);
    assert_eq!(amount(&xai, Metric::Requests, 1_000), Some(10));
    let anthropic = set(Likeness::Anthropic, Metric::Tokens, 5_000);
    assert_eq!(
        amount(&anthropic, Metric::InputTokens, Quota::MINUTE_MS),
        Some(5_000)
    );
    assert_eq!(anthropic.limits.quotas.len(), 3);
    let vllm = set(Likeness::Vllm, Metric::Tokens, 5_000);
    assert_eq!(vllm.limits.quotas, [Quota::tokens_per_minute(5_000)]);
    let mistral = set(Likeness::Mistral, Metric::Tokens, 5_000);
    assert_eq!(mistral.limits.quotas[1].kind, QuotaKind::Fixed);
}

#[test]
fn a_journal_with_corrections_is_checked_as_it_was_kept() {
    let quota = Quota::bucket(Metric::OutputTokens, 60, Quota::MINUTE_MS);
    let output = |tokens| Charge {
        output_tokens: tokens,
        ..Charge::default()
    };
    let entry = |second: u64, charge, decision| JournalEntry {
        sequence: second,
        time_ns: MINUTE_START + second * SECOND_NS,
        pool: "p".into(),
        key: "k".into(),
        model: "m".into(),
        charge,
        decision,
    };
    let corrected = |second, added| {
        let added = output(added);
        let decision = Decision::Corrected {
            reservation: 1,
            added,
        };
        entry(second, Charge::default(), decision)
    };
    let mut journal = vec![
        entry(0, output(1), Decision::Admitted { reservation: 1 }),
        corrected(10, 20),
        corrected(20, 49),
    ];
    let second = Decision::Admitted { reservation: 2 };
    // At second 30, 1 + 20 + 49 were taken and 1 + 10 + 10 have drained: 49 of 60 are in use.
    journal.push(entry(30, output(11), second.clone()));
    assert_eq!(verify(&journal, &quota).unwrap().total, 81);
    journal.pop();
    journal.push(entry(30, output(12), second));
    assert!(verify(&journal, &quota).is_err());
}
