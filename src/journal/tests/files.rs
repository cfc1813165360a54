//! Tests of the journal file and its directory: owners, permissions, damage, and other processes that hold them.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::domain::samples;
use crate::journal::queries::clocks::{Clock, ClockWatch, SystemClock};
use crate::journal::sqlite::integrity::IntegrityWatch;
use crate::journal::sqlite::store::Sqlite;
use crate::journal::store::Durability;
use crate::journal::tests::fixture::*;

fn directory(fixture: &Fixture) -> &Path {
    match &fixture.place {
        JournalPlace::Directory(directory) => directory,
        other => panic!("{other:?}"),
    }
}

fn file(fixture: &Fixture) -> PathBuf {
    directory(fixture).join("journal.sqlite")
}

fn mark(fixture: &Fixture, owner: i64) -> PathBuf {
    directory(fixture).join(format!("journal.owner-{owner:016x}"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Why the file cannot be used, once all of it was checked. Nothing is begun from then on.
async fn damage(journal: &Journal) -> String {
    let found = match journal.probe().await {
        Ok(()) => journal.check().await,
        refused => refused,
    };
    let found = found.expect_err("it is damaged").to_string();
    assert!(why(journal).await.contains("damaged") && journal.clear(Uuid::now_v7()).await.is_err());
    found
}

async fn why(journal: &Journal) -> String {
    journal.begin(purchase(&number(99))).await.expect_err("it cannot be used").to_string()
}

#[tokio::test]
async fn the_file_and_its_directory_are_private() {
    let fixture = Fixture::sqlite();
    let journal = fixture.journal();
    assert!(!directory(&fixture).exists(), "nothing is made before it is needed");
    journal.begins(purchase(&number(1))).await;
    assert_eq!(mode(directory(&fixture)), 0o700);
    for entry in fs::read_dir(directory(&fixture)).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
    assert!(file(&fixture).is_file() && mark(&fixture, journal.store.owner()).is_file());
    let owner = journal.store.owner();
    drop(journal);
    assert!(!mark(&fixture, owner).exists());
    // What was left open to others is closed to them.
    fs::set_permissions(file(&fixture), Permissions::from_mode(0o666)).unwrap();
    fixture.journal().used().await;
    assert_eq!(mode(&file(&fixture)), 0o600);
    let journal = fixture.journal();
    // What must not be forgotten reaches the disk before it counts; the rest goes with it.
    for (lasting, synchronous) in [(Durability::OnDisk, 2), (Durability::Soon, 1)] {
        let settings = journal.attempt(lasting, |transaction| {
            Box::pin(async move {
                let synchronous = transaction.query("PRAGMA synchronous", &[]).await?;
                let wal = transaction.query("PRAGMA journal_mode", &[]).await?;
                Ok((synchronous[0][0].int(), wal[0][0].text()))
            })
        });
        assert_eq!(settings.await.0.unwrap(), (Some(synchronous), Some("wal".to_owned())));
    }
}

#[tokio::test]
async fn what_others_could_tamper_with_is_refused() {
    let fixture = Fixture::sqlite();
    let elsewhere = fixture.home.as_ref().unwrap().path().join("elsewhere");
    fs::create_dir(directory(&fixture)).unwrap();
    fs::write(&elsewhere, "precious").unwrap();
    symlink(&elsewhere, file(&fixture)).unwrap();
    let journal = fixture.journal();
    assert!(why(&journal).await.contains("no regular file"));
    assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");
    fs::remove_file(file(&fixture)).unwrap();
    fs::create_dir(file(&fixture)).unwrap();
    assert!(why(&journal).await.contains("no regular file"));
    fs::remove_dir(file(&fixture)).unwrap();

    fs::set_permissions(directory(&fixture), Permissions::from_mode(0o770)).unwrap();
    assert!(why(&journal).await.contains("chmod 700"));
    fs::set_permissions(directory(&fixture), Permissions::from_mode(0o500)).unwrap();
    assert!(why(&journal).await.contains("read-only"));
    fs::set_permissions(directory(&fixture), Permissions::from_mode(0o700)).unwrap();
    journal.begins(purchase(&number(1))).await;
    drop(journal);

    fs::set_permissions(file(&fixture), Permissions::from_mode(0o400)).unwrap();
    assert!(why(&fixture.journal()).await.contains("read-only"));
    // A link to the directory is the user's own affair.
    fs::set_permissions(file(&fixture), Permissions::from_mode(0o600)).unwrap();
    let link = fixture.home.as_ref().unwrap().path().join("link");
    symlink(directory(&fixture), &link).unwrap();
    let linked = Journal::new(JournalPlace::Directory(link), "account".to_owned(), samples::KINDS);
    assert_eq!(linked.all().await.len(), 1);

    let nowhere = Journal::new(JournalPlace::Directory("/proc/nowhere".into()), String::new(), samples::KINDS);
    assert!(why(&nowhere).await.contains("/proc/nowhere"));
    let no_directory = Journal::new(JournalPlace::Directory(elsewhere), String::new(), samples::KINDS);
    assert!(why(&no_directory).await.contains("cannot be used"));
}

#[tokio::test]
async fn a_damaged_file_is_refused_left_alone_and_used_again_once_mended() {
    let fixture = Fixture::sqlite();
    let first = fixture.journal();
    for at in 0..200 {
        first.begins(purchase(&number(at))).await;
    }
    drop(first);
    let whole = fs::read(file(&fixture)).unwrap();
    assert!(whole.len() > 5 * 4096, "{}", whole.len());
    let header = [&[b'x'; 4096], &whole[4096..]].concat();
    let middle = [&whole[..4096], &[b'x'; 2 * 4096], &whole[3 * 4096..]].concat();
    let truncated = whole[..whole.len() / 2].to_vec();
    for damaged in [header, middle, truncated, b"no database at all".repeat(500)] {
        fs::write(file(&fixture), &damaged).unwrap();
        let journal = fixture.journal();
        let words = damage(&journal).await;
        assert!(words.contains("damaged"), "{words}");
        assert!(fs::read(file(&fixture)).unwrap() == damaged, "it is left alone");
        fs::write(file(&fixture), &whole).unwrap();
        assert_eq!(journal.all().await.len(), 200);
    }
}

#[tokio::test]
async fn damage_is_found_in_whichever_page_it_is() {
    let fixture = Fixture::sqlite();
    let first = fixture.journal();
    for at in 0..100 {
        first.begins(purchase(&number(at))).await;
    }
    drop(first);
    let whole = fs::read(file(&fixture)).unwrap();
    assert!(whole.len() >= 10 * 4096, "{}", whole.len());
    for page in 0..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(b'x');
        fs::write(file(&fixture), damaged).unwrap();
        let words = damage(&fixture.journal()).await;
        assert!(words.contains("damaged"), "page {page}: {words}");
    }
}

/// A page that no call reads: nobody notices until the file was checked, beside the calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_that_no_call_meets_is_found_in_the_background() {
    let fixture = Fixture::sqlite();
    let first = fixture.journal();
    let ids = futures::future::join_all((0..200).map(|at| first.begins(purchase(&number(at))))).await;
    first.keep_page_hints(vec![(0, Some("x".repeat(60_000)))]).await.unwrap();
    for id in ids {
        first.ends(id, done()).await;
    }
    drop(first);
    let whole = fs::read(file(&fixture)).unwrap();
    let connection = Connection::open(file(&fixture)).unwrap();
    let page = "SELECT rootpage FROM sqlite_schema WHERE name = 'operations_fold'";
    let page: usize = connection.query_row(page, [], |row| row.get::<_, u32>(0)).unwrap() as usize - 1;
    drop(connection);
    let mut damaged = whole.clone();
    damaged[page * 4096..(page + 1) * 4096].fill(b'x');
    fs::write(file(&fixture), &damaged).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let open = |delay: Duration| {
        let integrity = IntegrityWatch::after(delay);
        let store = Sqlite::at(Some(directory(&fixture).to_owned()), Arc::clone(&clock), integrity);
        let owner = (Caller::local().tenant, "account".to_owned());
        Journal::over(Arc::new(store), Arc::new(ClockWatch::new(Arc::clone(&clock))), owner, samples::KINDS)
    };
    let unchecked = open(Duration::from_secs(3600));
    assert_eq!(unchecked.all().await.len(), 200, "no call reads that page");
    let journal = open(Duration::ZERO);
    let found = async {
        while journal.probe().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found).await.unwrap();
    for _ in 0..2 {
        assert!(why(&journal).await.contains("damaged"));
        assert!(journal.find(OperationQuery::default()).await.is_err());
    }
    for beside in ["journal.sqlite-wal", "journal.sqlite-shm"] {
        drop(fs::remove_file(directory(&fixture).join(beside)));
    }
    drop(unchecked);
    fs::write(file(&fixture), &whole).unwrap();
    assert_eq!(journal.all().await.len(), 200, "it is used again once it is mended");
}

#[tokio::test]
async fn a_connection_that_fails_is_made_anew() {
    let fixture = Fixture::sqlite();
    let journal = fixture.journal();
    let id = journal.sends(purchase(&number(1))).await;
    let spoiled =
        journal.run(|transaction| Box::pin(async move { transaction.query("PRAGMA query_only = ON", &[]).await }));
    spoiled.await.unwrap();
    assert_eq!(why(&journal).await, "it cannot be written");
    journal.begins(release(&number(2))).await;
    // While it was made anew its process lived on.
    assert_eq!(fixture.journal().state(id).await, OperationPhase::Sent);
}

#[tokio::test]
async fn a_file_damaged_while_open_is_noticed_and_used_again_once_mended() {
    let fixture = Fixture::sqlite();
    let first = fixture.journal();
    for at in 0..200 {
        first.begins(purchase(&number(at))).await;
    }
    drop(first);
    let whole = fs::read(file(&fixture)).unwrap();
    let journal = fixture.journal();
    // What it remembers of the file is as good as ever, but does not last.
    let forget =
        |sql: &'static str| journal.run(move |transaction| Box::pin(async move { transaction.query(sql, &[]).await }));
    forget("PRAGMA cache_size = 1").await.unwrap();
    forget("PRAGMA shrink_memory").await.unwrap();
    fs::write(file(&fixture), [&whole[..4096], &vec![b'x'; whole.len() - 4096][..]].concat()).unwrap();
    let words = why(&journal).await;
    assert!(words.contains("damaged"), "{words}");
    assert!(journal.begin(purchase(&number(300))).await.is_err());
    for beside in ["journal.sqlite-wal", "journal.sqlite-shm"] {
        drop(fs::remove_file(directory(&fixture).join(beside)));
    }
    fs::write(file(&fixture), &whole).unwrap();
    assert_eq!(journal.all().await.len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_it_for_too_long_is_not_waited_for() {
    let fixture = Fixture::sqlite();
    let journal = fixture.journal();
    let id = journal.begins(purchase(&number(1))).await;
    let other = Connection::open(file(&fixture)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    assert_eq!(journal.clear(id).await, Err(Unavailable::Failed("another program holds it".to_owned())));
    assert!((Duration::from_secs(4)..Duration::from_secs(6)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    // Nor does each wait for all before it.
    let begun = Instant::now();
    let all = futures::future::join_all((10..20).map(|at| journal.begin(purchase(&number(at))))).await;
    assert!(all.iter().all(Result::is_err) && begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
    let fresh = fixture.journal();
    let begun = Instant::now();
    assert_eq!(why(&fresh).await, "another program holds it");
    assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!((journal.clear(id).await, fresh.all().await.len()), (Ok(true), 1));
}

#[tokio::test]
async fn a_process_stays_with_the_file_that_it_opened_first() {
    let fixture = Fixture::sqlite();
    let (one, owner) = (fixture.journal(), fixture.journal());
    let (old, sent) = (one.begins(purchase(&number(1))).await, one.sends(purchase(&number(2))).await);
    owner.used().await;
    let (place, aside) = (directory(&fixture).to_owned(), directory(&fixture).with_extension("aside"));
    let stopped = async |part: &str| {
        let words = why(&one).await;
        assert!(words.contains(part) && words.contains("start the program anew"), "{part}: {words}");
        assert!(one.clear(old).await.is_err() && one.probe().await.is_err(), "{part}");
    };
    // The whole directory: it is not made anew.
    fs::rename(&place, &aside).unwrap();
    stopped("moved away").await;
    assert!(!place.exists());
    // Another journal in its place, which another process has begun.
    let other = fixture.journal();
    other.begins(purchase(&number(3))).await;
    stopped("replaced").await;
    drop(other);
    fs::remove_dir_all(&place).unwrap();
    fs::rename(&aside, &place).unwrap();
    // What is back is used again, with all that stood in it.
    assert_eq!((one.clear(old).await, one.state(sent).await), (Ok(true), OperationPhase::Sent));
    // The file alone.
    fs::rename(file(&fixture), &aside).unwrap();
    stopped("moved away").await;
    symlink(&aside, file(&fixture)).unwrap();
    stopped("replaced").await;
    fs::remove_file(file(&fixture)).unwrap();
    fs::copy(&aside, file(&fixture)).unwrap();
    stopped("replaced").await;
    fs::rename(&aside, file(&fixture)).unwrap();
    assert_eq!(one.state(old).await, OperationPhase::Sent);
    // What SQLite keeps beside it.
    for beside in ["-wal", "-shm"] {
        let beside = place.join(format!("journal.sqlite{beside}"));
        fs::rename(&beside, &aside).unwrap();
        stopped("beside it").await;
        fs::rename(&aside, &beside).unwrap();
        assert_eq!(one.state(old).await, OperationPhase::Sent);
    }
    // Cut off, and whole again.
    let whole = fs::read(file(&fixture)).unwrap();
    for length in [0, whole.len() as u64 - 1] {
        File::options().write(true).open(file(&fixture)).unwrap().set_len(length).unwrap();
        stopped("cut off").await;
    }
    fs::write(file(&fixture), &whole).unwrap();
    assert_eq!(one.state(old).await, OperationPhase::Sent);
    // A process that starts looks at what it finds.
    assert_eq!(fixture.journal().all().await.len(), 2);
}

#[tokio::test]
async fn another_file_in_its_place_is_another_journal() {
    let fixture = Fixture::sqlite();
    let (one, two) = (fixture.journal(), fixture.journal());
    let (old, owner) = (one.begins(purchase(&number(1))).await, one.store.owner());
    two.used().await;
    for beside in ["", "-wal", "-shm"] {
        fs::remove_file(directory(&fixture).join(format!("journal.sqlite{beside}"))).unwrap();
    }
    assert!(one.clear(old).await.is_err(), "what stands in no journal is not sent");
    // Whoever starts now begins anew; whoever has the old one open does not join in.
    let next = fixture.journal();
    next.sends(purchase(&number(2))).await;
    assert_eq!(next.all().await.len(), 1);
    assert!(why(&one).await.contains("replaced") && why(&two).await.contains("replaced"));
    assert!(mark(&fixture, owner).exists() && mode(directory(&fixture)) == 0o700);
}

#[tokio::test]
async fn a_full_disk_stops_changes_and_harms_nothing() {
    let fixture = Fixture::sqlite();
    let journal = fixture.journal();
    let id = journal.begins(purchase(&number(0))).await;
    let limit = async |sql: &'static str| {
        let limited = journal.run(move |transaction| Box::pin(async move { transaction.query(sql, &[]).await }));
        limited.await.unwrap();
    };
    limit("PRAGMA max_page_count = 1").await;
    let mut begun = 1;
    let full = loop {
        match journal.begin(purchase(&number(begun))).await {
            Ok(None) => begun += 1,
            Ok(stop) => panic!("{stop:?}"),
            Err(why) => break why.to_string(),
        }
        assert!(begun < 1000, "it is never full");
    };
    assert_eq!(full, "the disk is full");
    assert_eq!(journal.all().await.len(), begun as usize);
    limit("PRAGMA max_page_count = 100000").await;
    assert_eq!(journal.clear(id).await, Ok(true));
    journal.begins(purchase(&number(begun))).await;
    assert_eq!(journal.all().await.len(), begun as usize + 1);
}

#[test]
fn many_may_open_a_fresh_one_at_once_and_one_of_them_buys() {
    for _ in 0..10 {
        let fixture = Fixture::sqlite();
        let barrier = Arc::new(std::sync::Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (place, barrier) = (fixture.place.clone(), Arc::clone(&barrier));
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let journal = Journal::new(place, "account".to_owned(), samples::KINDS);
                    barrier.wait();
                    let begun = runtime.block_on(journal.begin(purchase(&number(1)))).unwrap().is_none();
                    // It lives until all of them have tried: what a dead one has not sent is free again.
                    (begun, journal)
                })
            })
            .collect();
        let all: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.iter().filter(|(begun, _)| *begun).count(), 1);
    }
}

#[tokio::test]
async fn a_process_that_was_ended_by_force_is_told_from_one_that_lives() {
    let fixture = Fixture::sqlite();
    let (killed, living) = (fixture.journal(), fixture.journal());
    let id = killed.sends(purchase(&number(1))).await;
    let mark = mark(&fixture, killed.store.owner());
    drop(killed);
    // What it still had to do behind its last transaction ends first.
    while mark.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // What such a process leaves: its mark, which nobody holds.
    File::create(&mark).unwrap();
    let held = File::open(&mark).unwrap();
    held.try_lock().unwrap();
    assert_eq!(living.state(id).await, OperationPhase::Sent);
    drop(held);
    assert_eq!(living.state(id).await, OperationPhase::Unknown);
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_mark_that_somebody_removed_is_shown_again_before_anything_is_done() {
    let fixture = Fixture::sqlite();
    let (one, two) = (fixture.journal(), fixture.journal());
    let id = one.sends(purchase(&number(1))).await;
    let mark = mark(&fixture, one.store.owner());
    fs::remove_file(&mark).unwrap();
    let begun = one.begins(release(&number(2))).await;
    assert!(mark.exists());
    assert_eq!((two.state(id).await, two.state(begun).await), (OperationPhase::Sent, OperationPhase::Begun));
    // One that is not its own is no proof, and not removed at its end.
    fs::remove_file(&mark).unwrap();
    File::create(&mark).unwrap();
    drop(one);
    assert!(mark.exists());
    assert_eq!((two.state(id).await, two.state(begun).await), (OperationPhase::Unknown, OperationPhase::Refused));
}

#[tokio::test]
async fn old_marks_are_tidied_away_and_held_ones_are_not() {
    let fixture = Fixture::sqlite();
    let living = fixture.journal();
    living.used().await;
    let held = mark(&fixture, living.store.owner());
    let (old, fresh, half) = (mark(&fixture, 1), mark(&fixture, 2), directory(&fixture).join("journal.owner-3.new"));
    let other = directory(&fixture).join("journal.own");
    for path in [&old, &fresh, &half, &other] {
        File::create(path).unwrap();
    }
    let ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    for path in [&old, &half, &held, &other] {
        File::options().write(true).open(path).unwrap().set_modified(ago).unwrap();
    }
    let next = fixture.journal();
    next.used().await;
    assert_eq!([&old, &fresh, &half, &held, &other].map(|path| path.exists()), [false, true, false, true, true]);
}

/// How long the steps of an operation take: shown with `--nocapture`.
pub(crate) async fn measure(what: &str, fixture: &Fixture) {
    let journal = fixture.journal();
    journal.used().await;
    let mut taken: [Vec<Duration>; 4] = Default::default();
    for at in 0..50 {
        let begun = Instant::now();
        let id = journal.begins(Intent { most: Some(100), ..purchase(&number(at)) }).await;
        taken[0].push(begun.elapsed());
        let begun = Instant::now();
        assert_eq!(journal.clear(id).await, Ok(true));
        taken[1].push(begun.elapsed());
        let begun = Instant::now();
        journal.ends(id, done()).await;
        taken[2].push(begun.elapsed());
        let begun = Instant::now();
        journal.used().await;
        taken[3].push(begun.elapsed());
    }
    let medians = taken.map(|mut all| {
        all.sort_unstable();
        all[all.len() / 2]
    });
    let [begin, clear, settle, standing] = medians;
    eprintln!("{what}: begin {begin:?}, clear {clear:?}, settle {settle:?}, standing {standing:?}");
    assert!(medians.iter().all(|median| *median < Duration::from_millis(500)), "{medians:?}");
}

#[tokio::test]
async fn it_is_quick_enough() {
    measure("SQLite", &Fixture::sqlite()).await;
}
