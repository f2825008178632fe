use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// How many items may wait: one to be taken at once while the next is made.
const WAITING: usize = 2;

/// Gives `consume` the items in their order, which are made meanwhile on a thread of their own.
///
/// Where `consume` leaves some behind, they are not made, but for those that wait already.
pub(super) fn ahead<T: Send, R>(
    items: impl Iterator<Item = T> + Send,
    consume: impl FnOnce(&mut dyn Iterator<Item = T>) -> R,
) -> R {
    thread::scope(|scope| {
        let (sender, receiver): (_, Receiver<T>) = sync_channel(WAITING);
        scope.spawn(move || {
            for item in items {
                if sender.send(item).is_err() {
                    break;
                }
            }
        });
        consume(&mut receiver.into_iter())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_and_no_more_are_made_than_may_wait() {
        let made = std::sync::atomic::AtomicUsize::new(0);
        let items = (0..100).inspect(|_| {
            made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
        let taken = ahead(items, |items| items.take(5).collect::<Vec<_>>());
        assert_eq!(taken, [0, 1, 2, 3, 4]);
        // Those taken, those that wait, and the one that finds no taker.
        assert!(made.into_inner() <= 5 + WAITING + 1);
        assert_eq!(ahead(0..3, |items| items.sum::<i32>()), 3);
    }
}
