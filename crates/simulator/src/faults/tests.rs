//! The words of orders, and the counts of rules.

use super::*;

#[test]
fn every_fault_is_ordered_by_its_own_name() {
    for fault in Fault::ALL {
        let order: FaultOrder = fault.name().parse().unwrap();
        assert_eq!(
            order,
            FaultOrder {
                fault,
                times: None,
                key: None
            }
        );
    }
}

#[test]
fn parameters_belong_to_their_faults() {
    let order: FaultOrder = "cut_stream; after=5; times=2; key=abc".parse().unwrap();
    assert_eq!(order.fault, Fault::CutStream { after_events: 5 });
    assert_eq!((order.times, order.key.as_deref()), (Some(2), Some("abc")));
    let order: FaultOrder = "wrong_content_length;by=-4".parse().unwrap();
    assert_eq!(order.fault, Fault::WrongContentLength { off_by: -4 });
    let wrong = |words: &str| words.parse::<FaultOrder>().unwrap_err();
    assert_eq!(
        wrong("500;ms=5"),
        InvalidFault::UnknownParameter("ms".to_owned())
    );
    assert_eq!(
        wrong("slow_drip;ms=x"),
        InvalidFault::NotANumber("ms".to_owned())
    );
    assert_eq!(wrong("5oo"), InvalidFault::UnknownName("5oo".to_owned()));
    assert!(wrong("").to_string().contains("known are 429, "));
}

#[test]
fn an_order_with_a_count_happens_so_often_for_each_key() {
    let mut book = FaultBook::default();
    let mut happens = |words: &str| book.ordered(words).unwrap().is_some();
    assert_eq!(
        [(); 4].map(|()| happens("500;times=2;key=a")),
        [true, true, false, false]
    );
    assert_eq!(
        [(); 3].map(|()| happens("503;times=1;key=b")),
        [true, false, false]
    );
    assert_eq!([(); 3].map(|()| happens("hang")), [true; 3]);
    book.forget_orders();
    assert!(book.ordered("500;times=2;key=a").unwrap().is_some());
}

#[test]
fn rules_skip_stop_and_keep_to_their_paths_and_models() {
    let rule = |fault: &str| FaultRule {
        fault: fault.to_owned(),
        ..FaultRule::default()
    };
    let rules = vec![
        FaultRule {
            skip: 1,
            times: Some(2),
            path: Some("/v1/chat".to_owned()),
            ..rule("500")
        },
        FaultRule {
            model: Some("slow".to_owned()),
            ..rule("504")
        },
    ];
    let mut book = FaultBook::new(0, rules).unwrap();
    let mut named = |path, model| book.ruled(path, model).map(|fault| fault.name());
    assert_eq!(named("/v1/models", ""), None);
    let chat = [(); 5].map(|()| named("/v1/chat/completions", "gpt"));
    assert_eq!(chat, [None, Some("500"), Some("500"), None, None]);
    assert_eq!(named("/v1/embeddings", "slow"), Some("504"));
}

#[test]
fn a_share_of_requests_is_drawn_from_the_seed() {
    let rules = vec![FaultRule {
        share: 0.25,
        ..FaultRule::default()
    }];
    let drawn = |seed| -> Vec<bool> {
        let mut book = FaultBook::new(seed, rules.clone()).unwrap();
        (0..4_000).map(|_| book.ruled("/", "").is_some()).collect()
    };
    let happened = drawn(9).iter().filter(|happened| **happened).count();
    assert!((900..1_100).contains(&happened), "{happened}");
    assert_eq!(drawn(9), drawn(9));
    assert_ne!(drawn(9), drawn(10));
}

#[test]
fn invalid_rules_leave_the_old_ones_in_force() {
    let mut book = FaultBook::new(0, vec![FaultRule::default()]).unwrap();
    let wrong = FaultRule {
        fault: "nothing".to_owned(),
        ..FaultRule::default()
    };
    assert!(book.set_rules(vec![FaultRule::default(), wrong]).is_err());
    assert!(book.ruled("/", "").is_some());
}
