//! Addresses that the server listens on: TCP addresses and Unix sockets.

use std::fmt;
use std::io::{self, ErrorKind::WouldBlock};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

/// How many connections may wait to be accepted.
pub(crate) const BACKLOG: u32 = 4096;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An IP address and port. Port 0 takes any free port.
    Tcp(SocketAddr),
    /// A socket in the file system. Only this user can connect to it.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine can connect to it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err("unix: needs an absolute path".to_owned())
            };
        }
        let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = named.as_deref().unwrap_or(text).parse();
        address.map(Self::Tcp).map_err(|_| {
            "an IP address and a port, for example 127.0.0.1:8080, or unix: and a path, for example unix:/run/truedy/mcp.sock"
                .to_owned()
        })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// Accepts connections.
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, #[expect(dead_code, reason = "kept for its end")] SocketFile),
}

/// The file of a Unix socket. It is removed with its listener.
#[cfg(unix)]
pub(crate) struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

impl Listener {
    /// Starts to listen on an address.
    pub(crate) async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => {
                let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                #[cfg(not(windows))]
                socket.set_reuseaddr(true)?;
                socket.bind(*address)?;
                socket.listen(BACKLOG).map(Self::Tcp)
            }
            #[cfg(unix)]
            Listen::Unix(path) => Self::bind_unix(path).await,
            #[cfg(not(unix))]
            Listen::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
        }
    }

    /// Creates a Unix socket.
    ///
    /// It is created under another name first and renamed later. So it never exists under its own name with wider
    /// permissions.
    #[cfg(unix)]
    async fn bind_unix(path: &std::path::Path) -> io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt};
        match std::fs::symlink_metadata(path) {
            Ok(about) if !about.file_type().is_socket() => {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there"));
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"));
            }
            _ => {}
        }
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        let listener = UnixListener::bind(&fresh)?;
        let put = std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))
            .and_then(|()| std::fs::rename(&fresh, path));
        if let Err(error) = put {
            drop(std::fs::remove_file(&fresh));
            return Err(error);
        }
        Ok(Self::Unix(listener, SocketFile(path.to_owned())))
    }

    /// Returns the address that the server listens on, with the actual port.
    pub(crate) fn at(&self, asked: &Listen) -> Listen {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| asked.clone(), Listen::Tcp),
            #[cfg(unix)]
            Self::Unix(..) => asked.clone(),
        }
    }

    /// Accepts the next connection.
    pub(crate) async fn accept(&mut self) -> io::Result<ClientStream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| ClientStream::tcp(stream)),
            #[cfg(unix)]
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| ClientStream::Unix(stream)),
        }
    }

    /// Stops new TCP handshakes. Those under way still complete, and what is connected can be accepted.
    ///
    /// A client whose handshake is not answered tries again after a second, and is then refused or reaches another
    /// process. If the listener were only closed, a client in the middle of its handshake would send its request, and
    /// lose it. Only Linux can do this.
    pub(crate) fn stop_handshakes(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(listener) = self
            && let Err(error) = socket2::SockRef::from(listener).attach_filter(&FIRST_PACKETS)
        {
            tracing::debug!(%error, "new connections cannot be held off");
        }
    }

    /// Closes the listener. Returns the connections that waited to be accepted, at most [`BACKLOG`].
    ///
    /// The system is asked directly. The runtime knows of a connection only after its next look at all sockets.
    pub(crate) fn close(self) -> Vec<ClientStream> {
        match self {
            Self::Tcp(listener) => waiting(listener.into_std(), |listener| {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream).map(ClientStream::tcp)
            }),
            #[cfg(unix)]
            Self::Unix(listener, _) => waiting(listener.into_std(), |listener| {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream).map(ClientStream::Unix)
            }),
        }
    }
}

/// Accepts until no connection waits. The number is limited, because others still connect.
fn waiting<L>(listener: io::Result<L>, accept: impl Fn(&L) -> io::Result<ClientStream>) -> Vec<ClientStream> {
    let Ok(listener) = listener else { return Vec::new() };
    let next = || Some(accept(&listener)).filter(|next| !matches!(next, Err(error) if error.kind() == WouldBlock));
    std::iter::from_fn(next).take(BACKLOG as usize).flatten().collect()
}

/// A packet filter that drops packets of which SYN is set and ACK is not: the first packets of handshakes.
///
/// The instructions are classic BPF, as Linux has them in `linux/bpf_common.h`. The flags are byte 13 of a TCP header
/// (RFC 9293, 3.1).
#[cfg(target_os = "linux")]
const FIRST_PACKETS: [socket2::SockFilter; 5] = {
    use socket2::SockFilter;
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
};

/// One connection.
pub(crate) enum ClientStream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl ClientStream {
    fn tcp(stream: TcpStream) -> Self {
        // Without this, a response in two writes waits 40 ms for the client's delayed acknowledgement. It fails if the
        // client has closed already. That is no error of the listener.
        drop(stream.set_nodelay(true));
        Self::Tcp(stream)
    }

    /// Resolves when the client has sent something or has closed the connection.
    pub(crate) async fn heard(&self) -> io::Result<()> {
        match self {
            // `peek` waits for data, since a socket may be reported as readable before anything has arrived.
            Self::Tcp(stream) => stream.peek(&mut [0]).await.map(drop),
            #[cfg(unix)]
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// Writes as much as can be written without waiting.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }
}

/// Makes the same call on a stream of either kind.
macro_rules! on_either {
    ($stream:expr, $it:ident => $call:expr) => {
        match $stream.get_mut() {
            ClientStream::Tcp($it) => $call,
            #[cfg(unix)]
            ClientStream::Unix($it) => $call,
        }
    };
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_either!(self, it => Pin::new(it).poll_read(context, buffer))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_either!(self, it => Pin::new(it).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_either!(self, it => Pin::new(it).poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, it => Pin::new(it).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, it => Pin::new(it).poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_address_is_an_address_or_a_path() {
        for (text, local) in [
            ("127.0.0.1:8080", true),
            ("localhost:0", true),
            ("[::1]:8080", true),
            ("127.8.9.1:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("unix:/run/x.sock", true),
            ("0.0.0.0:8080", false),
            ("[::]:8080", false),
            ("192.168.1.5:80", false),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().is_local(), local, "{text}");
        }
        for bad in ["8080", "example.com:80", "unix:x.sock", "127.0.0.1", ":8080", ""] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn who_is_connected_is_accepted_before_the_runtime_knows() {
        let listen = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(&listen).await.unwrap();
        let address = listener.at(&listen).to_string();
        // The runtime of a test looks at its sockets only where the test waits.
        let clients: Vec<_> = (0..8).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
        assert_eq!(listener.close().len(), clients.len());
        assert!(std::net::TcpStream::connect(&address).is_err());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_handshake_that_begins_at_the_end_is_not_answered() {
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let listen = listen.parse().unwrap();
            let Ok(listener) = Listener::bind(&listen).await else {
                assert_eq!(listen.to_string(), "[::1]:0", "a machine may lack IPv6 alone");
                continue;
            };
            let address = listener.at(&listen).to_string();
            let early = std::net::TcpStream::connect(&address).unwrap();
            listener.stop_handshakes();
            let late = tokio::time::timeout(Duration::from_millis(50), TcpStream::connect(&address)).await;
            assert!(late.is_err(), "{late:?}");
            assert_eq!(listener.close().len(), 1);
            drop(early);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_socket_is_its_owners_and_replaces_only_a_dead_one() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let listen = Listen::Unix(dir.path().join("mcp.sock"));
        let Listen::Unix(path) = &listen else { unreachable!() };
        let first = Listener::bind(&listen).await.unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Listener::bind(&listen).await.err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        // The socket of a process that was killed.
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        assert!(Listener::bind(&listen).await.is_ok());
        std::fs::write(path, "mine").unwrap();
        assert_eq!(Listener::bind(&listen).await.err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
    }
}
