//! What is told of pools whose pictures are given.

use paceline_limiter::{
    Change as BeliefChange, ChangeReason, Domain, DomainSettings, LimitBelief, LimitSource,
    LimitView, RefusalKind, Timestamp, WindowKind, WindowModel,
};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn at(second: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(second)
}

/// 90,000 tokens a minute, which answers have told of.
fn learned() -> LimitView {
    LimitView {
        metric: paceline_limiter::Metric::Tokens,
        amount: 90_000,
        configured_amount: None,
        window: MINUTE,
        model: WindowModel::Unknown { burst: 100 },
        guard: Duration::ZERO,
        used: 0,
        source: LimitSource::Learned,
        clear_in: Duration::ZERO,
        belief: Some(LimitBelief {
            kind: None,
            kind_confidence_permille: 0,
            decided_after: None,
            answers: 1,
            ends_in: None,
            end_spread: None,
            aligned: None,
            confirmed: 0,
            piece: None,
            usual_charge: 0,
            foreign_per_minute: 0,
            reserve: 0,
            verified: true,
            change: None,
        }),
    }
}

fn believing(change: impl FnOnce(&mut LimitBelief)) -> LimitView {
    let mut limit = learned();
    change(limit.belief.as_mut().unwrap());
    limit
}

fn picture(limits: &[LimitView]) -> DomainSnapshot {
    let domain = Domain::new(DomainSettings::default(), at(0)).unwrap();
    DomainSnapshot {
        limits: limits.to_vec(),
        ..domain.snapshot(at(0))
    }
}

/// What is told when a pool is seen like this, one after the other: kind, before, after and reason.
fn told(pictures: &[DomainSnapshot]) -> Vec<(ChangeKind, Option<String>, String, String)> {
    let mut seen = Seen::default();
    let mut told = Vec::new();
    for (second, picture) in (1..).zip(pictures) {
        let found = seen.update(picture, at(second));
        told.extend(
            found
                .into_iter()
                .map(|it| (it.kind, it.before, it.after, it.reason)),
        );
    }
    told
}

#[test]
fn a_limit_is_learned_once_and_its_changes_are_told_with_reasons() {
    let kind = {
        let mut limit = believing(|belief| {
            belief.kind = Some(WindowKind::Fixed);
            belief.kind_confidence_permille = 996;
            belief.decided_after = Some(12);
        });
        limit.model = WindowModel::FixedFromFirstUse;
        limit
    };
    let mut amount = kind;
    amount.amount = 60_000;
    let pictures = [picture(&[learned()]), picture(&[learned()])];
    let [first] = told(&pictures).try_into().unwrap();
    assert_eq!(first.0, ChangeKind::LimitLearned);
    assert_eq!((first.1, &*first.2), (None, "90000 tokens per minute"));
    assert_eq!(first.3, "an answer named 90000 tokens per minute");
    let pictures = [learned(), kind, amount].map(|limit| picture(&[limit]));
    let [_, kind, amount] = told(&pictures).try_into().unwrap();
    assert_eq!(kind.0, ChangeKind::WindowKind);
    assert_eq!((kind.1.as_deref(), &*kind.2), (Some("unknown"), "fixed"));
    assert!(kind.3.starts_with("12 answers fit it best, 99 % sure"));
    assert_eq!(amount.0, ChangeKind::Amount);
    assert_eq!(amount.1.as_deref(), Some("90000 tokens per minute"));
    assert!(amount.3.contains("60000 tokens per minute"), "{}", amount.3);
}

#[test]
fn what_is_remembered_is_learned_when_an_answer_confirms_it() {
    let remembered = believing(|belief| belief.verified = false);
    let pictures = [remembered, remembered, learned()].map(|limit| picture(&[limit]));
    let [confirmed] = told(&pictures).try_into().unwrap();
    assert_eq!(confirmed.0, ChangeKind::LimitLearned);
    assert_eq!(confirmed.1.as_deref(), Some("remembered"));
    assert!(confirmed.3.contains("confirmed"));
}

#[test]
fn configured_limits_are_no_news_until_they_change() {
    let mut configured = learned();
    configured.source = LimitSource::Configured;
    let mut less = configured;
    (less.amount, less.configured_amount) = (50_000, Some(90_000));
    let mut reloaded = configured;
    reloaded.amount = 100_000;
    let pictures = [configured, less, reloaded].map(|limit| picture(&[limit]));
    let [less, reloaded] = told(&pictures).try_into().unwrap();
    assert!(less.3.contains("less than the 90000"), "{}", less.3);
    assert!(reloaded.3.contains("are configured now"), "{}", reloaded.3);
}

#[test]
fn pieces_and_charges_are_told_at_the_time_of_the_change() {
    let mut seen = Seen::default();
    assert_eq!(seen.update(&picture(&[learned()]), at(1)).len(), 1);
    let pieces = believing(|belief| {
        belief.piece = Some(1_500);
        belief.change = Some(BeliefChange {
            at: at(2),
            reason: ChangeReason::Piece,
        });
    });
    let mut charged = picture(&[pieces]);
    charged.charge.formula.refunds = true;
    charged.charge.decided_after = Some(9);
    charged.charge.confidence_permille = 990;
    let [piece, charge] = seen.update(&charged, at(3)).try_into().unwrap();
    assert_eq!((piece.kind, piece.at), (ChangeKind::Piece, at(2)));
    assert_eq!(piece.after, "pieces of 1500");
    assert_eq!((charge.kind, charge.at), (ChangeKind::Charge, at(3)));
    assert!(charge.after.ends_with(", corrected at the end"));
    assert!(charge.reason.contains("9 pairs"), "{}", charge.reason);
    assert!(seen.update(&charged, at(4)).is_empty());
}

#[test]
fn the_latest_are_kept_and_told_first() {
    let recent = Recent::default();
    for number in 0..CHANGES_MAX as i64 + 10 {
        let pool = if number % 2 == 0 { "even" } else { "odd" };
        let mut change = about(pool, ChangeKind::Reset, number.to_string());
        change.at_ms = number;
        recent.note(change);
    }
    let mut late = about("even", ChangeKind::Amount, "late");
    late.at_ms = 1_000;
    recent.note(late);
    let all = recent.latest(None, usize::MAX);
    assert_eq!(all.len(), CHANGES_MAX);
    assert_eq!(all[0].at_ms, 2_009);
    assert!(all.is_sorted_by_key(|change| std::cmp::Reverse(change.at_ms)));
    let odd = recent.latest(Some("odd"), 3);
    let odd: Vec<i64> = odd.iter().map(|change| change.at_ms).collect();
    assert_eq!(odd, [2_009, 2_007, 2_005]);
}

#[test]
fn refusals_are_told_with_the_figures_that_the_provider_named() {
    let episode = Episode {
        number: 1,
        began: at(10),
        kind: RefusalKind::Quota,
        metric: Some(paceline_limiter::Metric::Tokens),
        limit: Some(90_000),
        used: Some(89_500),
        requested: Some(1_200),
        penalty: paceline_limiter::Charge::ZERO,
        refusals: 1,
        cool_down_until: at(13),
        ended: None,
    };
    assert_eq!(
        words::refusal(&episode),
        "the provider refused a request: 89500 of 90000 tokens were used, and 1200 more were asked for"
    );
    let (recent, clock) = (Recent::default(), Clock::start());
    recent.episode_began("p", &episode, &clock);
    let over = Episode {
        ended: Some(at(75)),
        ..episode
    };
    recent.episode_over("p", &over, &clock);
    let [over, began] = recent.latest(Some("p"), 5).try_into().unwrap();
    assert_eq!(began.after.as_deref(), Some("a pause of 3.0 s"));
    assert_eq!(over.kind, ChangeKind::EpisodeOver);
    assert!(over.reason.contains("after 1 refusal,"), "{}", over.reason);
    assert!(over.reason.contains("65 s"), "{}", over.reason);
}
