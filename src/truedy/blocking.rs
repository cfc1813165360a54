//! Long work on one answer, done where it holds up nobody else: a ping is answered while thousands of rows are read.

use tokio::runtime::{Handle, RuntimeFlavor};

/// How much counts as long: rows, or kibibytes.
const LONG: usize = 256;

/// Does work of this size, in rows or kibibytes. What is short is done where it stands.
///
/// On a runtime of one thread everything waits for everything anyway.
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
        // On the one worker thread, the other task runs only if it is let.
        let heard = tokio::spawn(async move {
            run_blocking(LONG + 1, || told.recv_timeout(std::time::Duration::from_secs(10)).is_ok())
        });
        assert!(heard.await.expect("it ends"));
        assert!(others.await.expect("it ends").is_ok());
    }
}
