//! The one thread that starts every child.
//!
//! The system ties a child to the thread that started it: asked to kill the child with its parent,
//! it does so when that thread ends. Threads of tests and of runtimes come and go; this one stays as
//! long as the test process.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

struct Order {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

pub(super) fn spawn(command: Command) -> io::Result<Child> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(start);
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (answer, child) = channel();
    let order = Order { command, answer };
    orders.send(order).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

fn start() -> Sender<Order> {
    let (orders, queue) = channel::<Order>();
    thread::spawn(move || {
        for mut order in queue {
            // Whoever ordered it waits for it.
            drop(order.answer.send(order.command.spawn()));
        }
    });
    orders
}
