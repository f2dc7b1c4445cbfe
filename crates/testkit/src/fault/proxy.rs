//! The proxy: one thread that accepts, and the handle that tests hold.

use std::net::{SocketAddr, TcpListener as BlockingListener};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::counts::SharedCounts;
use super::{Behaviour, Counts};
use crate::ports::ReservedPort;

/// A proxy whose behaviour can be changed at any time. It ends when it is dropped.
///
/// It runs on a thread of its own, so that it serves tests that block as well as those that do not.
/// What a call here asks for is in force when the call returns: of bytes that are sent after, none
/// is treated as before.
#[derive(Debug)]
pub struct FaultProxy {
    port: ReservedPort,
    counts: SharedCounts,
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    Behave(Behaviour, Sender<Result<()>>),
    Cut(Sender<Result<()>>),
}

impl FaultProxy {
    /// Starts one in front of `server`, where nothing need listen yet. Everything passes at first.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let port = ReservedPort::take()?;
        let counts = SharedCounts::default();
        let (orders, queue) = mpsc::unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            listen(port.address())?
        };
        let acceptor = Acceptor {
            address: port.address(),
            server,
            listener: Some(listener),
            behaviour: watch::Sender::new(Behaviour::pass()),
            cut: watch::Sender::new(()),
            connections: JoinSet::new(),
            counts: counts.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("fault-proxy".to_owned())
            .spawn(move || runtime.block_on(acceptor.run(queue)))?;
        Ok(Self {
            port,
            counts,
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Where clients are to connect.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Behaves differently from here on, also on connections that exist.
    ///
    /// # Errors
    /// When the proxy cannot listen again after it has refused.
    pub fn set(&self, behaviour: Behaviour) -> Result<()> {
        self.order(|done| Order::Behave(behaviour, done))
    }

    /// Resets every connection there is, on both sides. New ones are served as before.
    ///
    /// # Errors
    /// When the proxy's thread is gone.
    pub fn cut(&self) -> Result<()> {
        self.order(Order::Cut)
    }

    /// What has passed.
    pub fn counts(&self) -> Counts {
        self.counts.now()
    }

    /// Waits until `holds` is true of the counts.
    ///
    /// # Errors
    /// When it does not come true within `patience`; the last counts are in the message.
    pub fn until(&self, patience: Duration, holds: impl Fn(&Counts) -> bool) -> Result<Counts> {
        self.counts.wait_until(patience, holds)
    }

    fn order(&self, order: impl FnOnce(Sender<Result<()>>) -> Order) -> Result<()> {
        let gone = "the proxy's thread is gone";
        let (done, answer) = channel();
        let orders = self.orders.as_ref().context(gone)?;
        orders.send(order(done)).ok().context(gone)?;
        answer.recv().context(gone)?
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // The thread ends when there is nobody left to give orders.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = BlockingListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

struct Acceptor {
    address: SocketAddr,
    server: SocketAddr,
    /// None while connections are refused.
    listener: Option<TcpListener>,
    behaviour: watch::Sender<Behaviour>,
    cut: watch::Sender<()>,
    connections: JoinSet<()>,
    counts: SharedCounts,
}

impl Acceptor {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    None => return,
                    Some(order) => self.obey(order).await,
                },
                client = accept(self.listener.as_ref()) => self.serve(client),
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        // Whoever ordered it waits for the answer.
        match order {
            Order::Behave(behaviour, done) => {
                drop(done.send(self.behave(behaviour)));
            }
            Order::Cut(done) => {
                self.reset_all().await;
                drop(done.send(Ok(())));
            }
        }
    }

    fn behave(&mut self, behaviour: Behaviour) -> Result<()> {
        self.behaviour.send_replace(behaviour);
        if behaviour.refuse {
            self.listener = None;
        } else if self.listener.is_none() {
            self.listener = Some(listen(self.address)?);
        }
        Ok(())
    }

    async fn reset_all(&mut self) {
        // To their clients, connections that the system holds in readiness exist as well. The runtime
        // hears of those when it idles.
        sleep(Duration::from_millis(1)).await;
        while let Ok(client) = timeout(Duration::ZERO, accept(self.listener.as_ref())).await {
            self.serve(client);
        }
        self.cut.send_replace(());
        while self.connections.join_next().await.is_some() {}
    }

    fn serve(&mut self, client: TcpStream) {
        let connection = Connection::new(self.server, self.behaviour.subscribe(), &self.counts);
        let cut = self.cut.subscribe();
        self.connections.spawn(connection.serve(client, cut));
    }
}

/// The next connection, for which there may be a wait without end.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        // A connection that failed before it was taken is nobody's.
        if let Ok((client, _)) = listener.accept().await {
            return client;
        }
    }
}
