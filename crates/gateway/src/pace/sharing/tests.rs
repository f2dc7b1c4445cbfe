use super::*;

fn key(credential: u64, model: &str) -> PoolKey {
    PoolKey::Learned {
        rule: Arc::from("default"),
        credential,
        model: Arc::from(model),
    }
}

fn account(organization: &str, project: Option<&str>) -> Account {
    Account {
        organization: Arc::from(organization),
        project: project.map(Arc::from),
    }
}

#[test]
fn keys_of_one_account_use_the_pools_of_the_one_seen_first() {
    let mut sharing = Sharing::default();
    assert!(!sharing.belongs(&key(1, "m"), account("acme", Some("p"))));
    assert_eq!(sharing.home(&key(2, "m")), key(2, "m"), "nothing is known");
    assert!(sharing.belongs(&key(2, "m"), account("acme", Some("p"))));
    assert!(sharing.belongs(&key(3, "n"), account("acme", Some("p"))));
    assert_eq!(sharing.home(&key(1, "m")), key(1, "m"));
    assert_eq!(sharing.home(&key(2, "m")), key(1, "m"));
    assert_eq!(sharing.home(&key(3, "m")), key(1, "m"));
    assert_eq!(sharing.home(&key(2, "n")), key(1, "n"), "models stay apart");
    assert!(sharing.knows(&key(2, "n"), "acme", Some("p")));
}

#[test]
fn other_organizations_projects_and_rules_stay_apart() {
    let mut sharing = Sharing::default();
    sharing.belongs(&key(1, "m"), account("acme", Some("p")));
    assert!(!sharing.belongs(&key(2, "m"), account("acme", Some("q"))));
    assert!(!sharing.belongs(&key(3, "m"), account("acme", None)));
    assert!(!sharing.belongs(&key(4, "m"), account("other", Some("p"))));
    let under_another_rule = PoolKey::Learned {
        rule: Arc::from("mini"),
        credential: 5,
        model: Arc::from("m"),
    };
    assert!(!sharing.belongs(&under_another_rule, account("acme", Some("p"))));
    for credential in 1..=4 {
        assert_eq!(sharing.home(&key(credential, "m")), key(credential, "m"));
    }
    assert_eq!(sharing.home(&under_another_rule), under_another_rule);
}

#[test]
fn a_key_whose_answers_name_two_accounts_sets_its_account_apart_for_good() {
    let mut sharing = Sharing::default();
    sharing.belongs(&key(1, "m"), account("acme", None));
    sharing.belongs(&key(2, "m"), account("acme", None));
    assert!(sharing.belongs(&key(2, "m"), account("other", None)));
    for credential in [1, 2] {
        let own = key(credential, "m");
        assert!(!sharing.belongs(&own, account("acme", None)));
        assert_eq!(sharing.home(&own), own);
        assert!(sharing.knows(&own, "acme", None), "it is not asked again");
    }
}

#[test]
fn models_that_are_refused_for_the_same_limit_share_a_pool() {
    let mut sharing = Sharing::default();
    let (one, other) = (key(1, "gpt-a"), key(1, "gpt-b"));
    assert!(sharing.refused_for(&one, "gpt-family", 10, None));
    assert!(!sharing.refused_for(&one, "gpt-family", 10, None));
    assert_ne!(sharing.home(&one), sharing.home(&other));
    assert!(sharing.refused_for(&other, "gpt-family", 10, None));
    assert_eq!(sharing.home(&one), sharing.home(&other));
    assert_eq!(sharing.home(&one), sharing.home(&key(1, "gpt-family")));
    assert_ne!(sharing.home(&one), sharing.home(&key(1, "gpt-c")));
    let stranger = key(2, "gpt-a");
    assert_eq!(
        sharing.home(&stranger),
        stranger,
        "another key of unknown account"
    );
}

#[test]
fn limits_that_name_each_other_are_no_circle() {
    let mut sharing = Sharing::default();
    assert!(sharing.refused_for(&key(1, "a"), "b", 1, None));
    assert!(!sharing.refused_for(&key(1, "b"), "a", 1, None));
    assert!(sharing.refused_for(&key(1, "b"), "c", 1, None));
    assert!(!sharing.refused_for(&key(1, "c"), "a", 1, None));
    assert!(!sharing.join(&key(1, "a"), &key(1, "c")));
    assert_eq!(sharing.home(&key(1, "a")), key(1, "c"));
}

#[test]
fn what_was_learned_of_models_is_known_to_the_whole_account() {
    let mut sharing = Sharing::default();
    sharing.refused_for(&key(2, "a"), "family", 1, None);
    sharing.refused_for(&key(2, "m"), "m-long-context", 500, None);
    sharing.belongs(&key(1, "x"), account("acme", None));
    sharing.belongs(&key(2, "x"), account("acme", None));
    assert_eq!(sharing.home(&key(1, "a")), key(1, "family"));
    assert_eq!(sharing.home(&key(2, "a")), key(1, "family"));
    assert_eq!(
        sharing.long(&key(1, "m"), 500),
        Some(key(1, "m-long-context"))
    );
}

#[test]
fn only_requests_as_long_as_a_refused_one_use_the_long_context_pool() {
    let mut sharing = Sharing::default();
    let (one, other) = (key(1, "m"), key(1, "m-dated"));
    assert_eq!(sharing.long(&one, u64::MAX), None);
    assert!(sharing.refused_for(&one, "m-long-context", 300_000, Some(400_000)));
    assert_eq!(sharing.long(&one, 299_999), None);
    assert_eq!(sharing.long(&one, 300_000), Some(key(1, "m-long-context")));
    assert_eq!(sharing.home(&one), one, "short ones stay");
    assert!(sharing.refused_for(&one, "m-long-context", 280_000, None));
    assert!(!sharing.refused_for(&one, "m-long-context", 290_000, None));
    assert!(sharing.long(&one, 280_000).is_some());
    assert_eq!(sharing.long(&other, 300_000), None);
    sharing.refused_for(&other, "m-long-context", 350_000, None);
    assert_eq!(sharing.long(&other, 350_000), sharing.long(&one, 350_000));
    let mut users = sharing.long_users(&key(1, "m-long-context"));
    users.sort_by_key(|user| user.name(None));
    assert_eq!(users, [other, one]);
}

#[test]
fn answers_that_tell_the_long_limits_amount_lower_the_threshold() {
    let mut sharing = Sharing::default();
    let one = key(1, "m");
    assert!(!sharing.watches_length(&one));
    sharing.refused_for(&one, "m-long-context", 300_000, Some(400_000));
    assert!(sharing.watches_length(&one));
    // The plain limit could have the same amount: this tells nothing yet.
    assert!(!sharing.answered(&one, 250_000, 400_000));
    assert!(!sharing.answered(&one, 1_000, 2_000_000));
    assert!(sharing.answered(&one, 250_000, 400_000));
    assert!(sharing.long(&one, 250_000).is_some());
    assert_eq!(sharing.long(&one, 249_999), None);
}

#[test]
fn configured_pools_are_never_touched() {
    let mut sharing = Sharing::default();
    let configured = PoolKey::Configured {
        rule: Arc::from("default"),
    };
    assert!(!sharing.belongs(&configured, account("acme", None)));
    assert!(!sharing.refused_for(&configured, "family", 1, None));
    assert!(!sharing.join(&configured, &configured));
    assert_eq!(sharing.home(&configured), configured);
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut sharing = Sharing::default();
    for credential in 0..CREDENTIALS_MAX as u64 + 10 {
        sharing.belongs(&key(credential, "m"), account("acme", None));
    }
    assert_eq!(sharing.standings.len(), CREDENTIALS_MAX);
    let beyond = key(u64::MAX, "m");
    assert!(
        sharing.knows(&beyond, "acme", None),
        "it is not asked again"
    );
    for model in 0..MODELS_MAX + 10 {
        let model = key(0, &model.to_string());
        sharing.refused_for(&model, "family", 1, None);
        sharing.refused_for(&model, "family-long-context", 1, None);
    }
    let models = sharing
        .models
        .values()
        .next()
        .map(|models| (models.joined.len(), models.long.len()));
    assert_eq!(models, Some((MODELS_MAX, MODELS_MAX)));
}
