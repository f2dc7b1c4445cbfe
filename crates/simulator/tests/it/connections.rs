//! Listening, refusing, stopping, and serving on threads of its own.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use paceline_simulator::{Simulator, SimulatorSettings, StartError};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::client::{Call, End, read_all, start, start_default};

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let simulator = start_default().await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    for count in 1..=3 {
        stream
            .write_all(&Call::get("/v1/models/gpt-4o").bytes())
            .await
            .unwrap();
        let mut buffer = vec![0; 4_096];
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..length].starts_with(b"HTTP/1.1 200 OK"));
        let state = simulator.state();
        assert_eq!((state.counters.received, state.connections), (count, 1));
    }
}

#[tokio::test]
async fn connections_are_refused_for_a_time_and_open_ones_closed() {
    let simulator = start_default().await;
    let address = simulator.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(&Call::get("/v1/models/gpt-4o").bytes())
        .await
        .unwrap();
    let order = json!({"refuse_connections_ms": 200});
    Call::post("/_simulator/faults", &order).send(address).await;
    let (_, end) = read_all(&mut idle, Duration::from_secs(5)).await;
    assert_eq!(end, End::Closed);
    let refused = TcpStream::connect(address).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(Call::get("/v1/models").send(address).await.status, 200);
}

#[tokio::test]
async fn a_shutdown_lets_requests_end_and_frees_the_address() {
    let latency = paceline_simulator::Latency {
        first_token: Duration::from_millis(150),
        ..Default::default()
    };
    let simulator = start(SimulatorSettings {
        latency,
        ..Default::default()
    })
    .await;
    let address = simulator.address();
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]});
    let request = tokio::spawn(Call::post("/v1/chat/completions", &body).send(address));
    while simulator.state().counters.admitted == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    simulator.shutdown().await;
    assert_eq!(request.await.unwrap().status, 200);
    let again = start(SimulatorSettings {
        listen: address,
        ..Default::default()
    })
    .await;
    assert_eq!(again.address(), address);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_what_hangs() {
    let simulator = start_default().await;
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]});
    let call = Call::post("/v1/chat/completions", &body).fault("hang");
    stream.write_all(&call.bytes()).await.unwrap();
    while simulator.state().counters.admitted == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    simulator.shutdown().await;
    assert!(
        started.elapsed() < Duration::from_millis(1_500),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_names_it() {
    let simulator = start_default().await;
    let listen = simulator.address();
    let settings = SimulatorSettings {
        listen,
        ..Default::default()
    };
    let error = Simulator::start(settings).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { address, .. } if address == listen));
    assert!(error.to_string().contains(&listen.to_string()));
}

#[tokio::test]
async fn threads_of_its_own_serve_even_while_the_callers_runtime_is_busy() {
    let settings = SimulatorSettings {
        worker_threads: 2,
        ..Default::default()
    };
    let simulator = start(settings).await;
    let calls = (0..8).map(|_| tokio::spawn(Call::get("/v1/models").send(simulator.address())));
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().status, 200);
    }
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    stream
        .write_all(&Call::get("/v1/models").bytes())
        .await
        .unwrap();
    // Accepting needs the runtime once; after that, a blocked one does not keep the answer.
    while simulator.state().counters.received < 9 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let mut buffer = [0; 64];
    let length = std::io::Read::read(&mut &stream, &mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"HTTP/1.1 200 OK"));
    simulator.shutdown().await;
}
