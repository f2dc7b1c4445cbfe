//! The loop of `top`: news, keys, the clock and signals in; drawings and orders out.

use std::sync::Arc;
use std::time::Duration;

use paceline_admin_api::RateLimits;
use ratatui::crossterm::event::Event;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::ask::{self, Wanted};
use super::feed;
use super::keys::{self, Act};
use super::picture::News;
use super::screen::Screen;
use super::state::State;
use crate::admin::Gateway;
use crate::exit::{self, Failure};

/// The least time between two drawings.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(200);

/// Shows the gateway until somebody leaves.
pub(super) async fn run(
    gateway: Gateway,
    limits: RateLimits,
    is_coloured: bool,
) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let mut state = State::new(gateway.address(), limits);
    let mut work = Work::start(gateway, &state);
    let mut screen = Screen::open(is_coloured)?;
    let mut events = keys::listen();
    let mut clock = interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut is_due, mut earliest) = (true, Instant::now());
    loop {
        tokio::select! {
            () = sleep_until(earliest), if is_due => {
                screen.draw(&mut state, std::time::Instant::now())?;
                (is_due, earliest) = (false, Instant::now() + BETWEEN_DRAWINGS);
            }
            Some(news) = work.news.recv() => {
                is_due |= state.take(news, std::time::Instant::now());
            }
            event = events.recv() => {
                // Without keys nobody is there to leave.
                let Some(event) = event else { return Err(Failure::quiet(exit::TERMINATED)) };
                is_due = true;
                if !obey(event, &mut state, &mut screen, &mut work)? {
                    return Ok(());
                }
            }
            _ = clock.tick() => is_due |= state.tick(std::time::Instant::now()),
            code = signals.next() => return Err(Failure::quiet(code)),
            Some(ended) = work.tasks.join_next() => {
                ended.map_err(|error| Failure::other(format!("a part of top failed: {error}")))?;
            }
        }
    }
}

/// Does what a key or a new size asks for; says whether to go on.
fn obey(
    event: Event,
    state: &mut State,
    screen: &mut Screen,
    work: &mut Work,
) -> Result<bool, Failure> {
    let Event::Key(key) = event else {
        return Ok(true);
    };
    match keys::press(state, key, std::time::Instant::now()) {
        Act::Nothing => {}
        Act::Leave => return Ok(false),
        Act::Redraw => screen.forget()?,
        Act::End(path) => work.end(path),
    }
    work.want(state);
    Ok(true)
}

/// What goes on beside the screen. It ends when it is dropped.
struct Work {
    gateway: Arc<Gateway>,
    tasks: JoinSet<()>,
    wanted: Arc<watch::Sender<Wanted>>,
    sender: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
}

impl Work {
    fn start(gateway: Gateway, state: &State) -> Self {
        let gateway = Arc::new(gateway);
        let view = state.view;
        let (wanted, asked) = watch::channel(Wanted { view, done: 0 });
        let (sender, news) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let (listener, tell) = (Arc::clone(&gateway), teller(&sender));
        tasks.spawn(async move { feed::follow(&listener, tell).await });
        let (asker, tell) = (Arc::clone(&gateway), teller(&sender));
        tasks.spawn(async move { ask::poll(&asker, asked, tell).await });
        Self {
            gateway,
            tasks,
            wanted: Arc::new(wanted),
            sender,
            news,
        }
    }

    /// Has that asked for which is looked at.
    fn want(&self, state: &State) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = wanted.view != state.view;
            wanted.view = state.view;
            is_new
        });
    }

    /// Ends waits, and has the queue asked for afterwards.
    fn end(&mut self, path: String) {
        let (gateway, tell) = (Arc::clone(&self.gateway), teller(&self.sender));
        let wanted = Arc::clone(&self.wanted);
        self.tasks.spawn(async move {
            ask::end(&gateway, &path, tell).await;
            wanted.send_modify(|wanted| wanted.done += 1);
        });
    }
}

fn teller(sender: &mpsc::UnboundedSender<News>) -> impl Fn(News) + Send + Sync + 'static {
    let sender = sender.clone();
    // Nobody listens any more once the screen is gone.
    move |news| drop(sender.send(news))
}

/// Signals that end the command as a key would, so that the terminal is given back.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::other(format!("cannot listen to signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The exit code of the next one.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => exit::INTERRUPTED,
            _ = self.terminate.recv() => exit::TERMINATED,
            _ = self.hangup.recv() => exit::TERMINATED,
        }
    }
}
