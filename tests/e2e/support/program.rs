//! The built program as a process: how it is started, what it says, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_truedy-mcp");
/// How long anything that must come may take on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// A key of the usual form.
pub(crate) const KEY: &str = "truedy_WireTestKey00000000000000000000x1";

/// A home of one server's own: what it keeps, nobody else sees.
pub(crate) fn home() -> PathBuf {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("homes");
        drop(std::fs::remove_dir_all(&root));
        root
    });
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    ROOT.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string())
}

/// The program with an environment of its own: nothing of the tester's reaches it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("HOME", home());
    command
}

/// The program for an asynchronous test, with the environment of the tests, but without settings in it.
pub(crate) fn tokio_program() -> tokio::process::Command {
    let mut command = tokio::process::Command::new(PROGRAM);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TRUEDY_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").env("HOME", home()).env_remove("XDG_STATE_HOME").kill_on_drop(true);
    command
}

/// The server for a Truedy at this address, with a key, and no limit of its own.
pub(crate) fn server(base_url: &str) -> Command {
    server_within(base_url, "off")
}

/// The same, keeping within so many requests a minute.
pub(crate) fn server_within(base_url: &str, rpm: &str) -> Command {
    let mut command = program();
    command.args(["stdio", "--upstream-rpm", rpm]).env("TRUEDY_BASE_URL", base_url).env("TRUEDY_API_KEY", KEY);
    command
}

/// Runs the same test for several cases, eight at the same time.
pub(crate) fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    let cases = Mutex::new(cases.into_iter().collect::<Vec<T>>().into_iter());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = { cases.lock().unwrap().next() } {
                    test(case);
                }
            });
        }
    });
}

/// Waits for what must come, for as long as it may take on a slow machine.
pub(crate) async fn patiently<T>(waited_for: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, waited_for).await.expect("an answer within a minute")
}

/// An address where nobody listens, as long as the first value lives.
pub(crate) fn nobody() -> (tokio::net::TcpSocket, String) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().unwrap()).expect("a free port");
    let address = socket.local_addr().expect("an address");
    (socket, format!("http://{address}/api/public/v1"))
}

/// A child process, all it says, and its end. It does not outlive this value.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take();
        let (stdout, stderr) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (sender, lines) = channel();
        let (mut out, mut err) = (BufReader::new(child.stdout.take().unwrap()), child.stderr.take().unwrap());
        let (kept_out, kept_err) = (Arc::clone(&stdout), Arc::clone(&stderr));
        let readers = vec![
            thread::spawn(move || {
                let mut line = Vec::new();
                while matches!(out.read_until(b'\n', &mut line), Ok(1..)) {
                    kept_out.lock().unwrap().extend_from_slice(&line);
                    // Nobody may be waiting for it any more.
                    drop(sender.send(String::from_utf8_lossy(&line).into_owned()));
                    line.clear();
                }
            }),
            thread::spawn(move || {
                let mut part = [0; 4096];
                while let Ok(n @ 1..) = err.read(&mut part) {
                    kept_err.lock().unwrap().extend_from_slice(&part[..n]);
                }
            }),
        ];
        Self { child, input, lines, stdout, stderr, readers }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input; a process that has ended reads nothing.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if let Some(input) = &mut self.input {
            drop(input.write_all(bytes).and_then(|()| input.flush()));
        }
    }

    /// Ends its standard input.
    pub(crate) fn close(&mut self) {
        self.input = None;
    }

    /// The next line of its standard output.
    pub(crate) fn line(&self, within: Duration) -> Option<String> {
        self.lines.recv_timeout(within).ok()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }

    /// Waits for its end: the exit code, or `None` if a signal ended it. Afterwards all it said is there.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<i32> {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(start.elapsed() < within, "still running after {within:?}; it said:\n{}", self.stderr());
            thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("the reader ends");
        }
        status.code()
    }

    /// All it has written to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout.lock().unwrap()).into_owned()
    }

    /// All it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end with this on its standard input.
pub(crate) fn run(command: Command, input: &str) -> Ran {
    let mut running = Running::start(command);
    running.write(input.as_bytes());
    running.close();
    let code = running.ended(LONG);
    Ran { code, stdout: running.stdout(), stderr: running.stderr() }
}
