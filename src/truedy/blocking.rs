//! Runs long work on a response without delaying other tasks. A ping is answered while thousands of rows are read.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Work above this size counts as long, in rows or kibibytes.
const LONG: usize = 256;

/// Runs work of this size, in rows or kibibytes. Short work runs directly. Long work runs with `block_in_place`, so
/// that other threads take over the other tasks.
///
/// On a runtime with one thread all work runs directly, since no other thread could take over.
pub fn run_blocking<T>(size: usize, work: impl FnOnce() -> T) -> T {
    let several = Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
    if size > LONG && several { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_with_and_without_a_runtime() {
        assert_eq!(run_blocking(LONG + 1, || 7), 7);
    }

    #[tokio::test]
    async fn and_on_one_thread() {
        assert_eq!(run_blocking(LONG + 1, || 7), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_meanwhile() {
        let (tell, told) = std::sync::mpsc::channel();
        let others = tokio::spawn(async move { tell.send(()) });
        // There is one worker thread. The other task runs only if this task releases it.
        let heard = tokio::spawn(async move {
            run_blocking(LONG + 1, || told.recv_timeout(std::time::Duration::from_secs(10)).is_ok())
        });
        assert!(heard.await.expect("it ends"));
        assert!(others.await.expect("it ends").is_ok());
    }
}
