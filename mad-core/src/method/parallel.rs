//! Work on several threads.

use std::sync::Mutex;
use std::thread;

/// Applies a function to each of some items on several threads. The results are in no order.
pub(super) fn map<T: Send, U: Send>(
    items: Vec<T>,
    workers: usize,
    apply: impl Fn(T) -> U + Sync,
) -> Vec<U> {
    let workers = workers.min(items.len());
    let queue = Mutex::new(items.into_iter());
    let work = || {
        let next = || queue.lock().ok().and_then(|mut queue| queue.next());
        std::iter::from_fn(next).map(&apply).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let of_thread = |thread: thread::ScopedJoinHandle<'_, Vec<U>>| match thread.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().flat_map(of_thread).collect()
    })
}
