//! Reads request bodies. It limits the size and the time of one body, and the memory of all bodies together.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::domain::Caller;
use crate::mcp::readable;

/// The largest body, in bytes.
pub(crate) const LIMIT: usize = 256 * 1024;
/// The time limit for a whole body. A limit between frames would let a slow client send without end.
const TIME: Duration = Duration::from_secs(10);
/// The memory for all bodies that are being read, in bytes. Thousands of connections must not fill the memory.
const TOGETHER: usize = 64 * 1024 * 1024;
/// The unit of the memory permits, in bytes.
const SHARE: usize = 1024;
/// The memory for the bodies of one principal, in bytes. So a principal with slow large bodies delays only itself.
const EACH: usize = TOGETHER / 4;
/// The number of principals with a known limit. At this number, principals without a body in reading are forgotten.
const KNOWN: usize = 1024;

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

const FULL: Unread = Unread { status: StatusCode::SERVICE_UNAVAILABLE, why: "too many bodies are being read" };

/// Reads bodies within the limits.
pub(crate) struct Bodies {
    room: Arc<Semaphore>,
    own: Mutex<HashMap<Caller, Weak<Semaphore>>>,
    time: Duration,
}

/// The permits of one body: from its principal's limit and from the shared limit.
#[derive(Default)]
struct Room {
    own: Option<OwnedSemaphorePermit>,
    shared: Option<OwnedSemaphorePermit>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(TOGETHER / SHARE)), own: Mutex::default(), time: TIME }
    }
}

impl Bodies {
    /// Reads the whole body of this caller's request. Errors on a body that is too large, too slow, or incomplete.
    pub(crate) async fn read<B>(&self, caller: &Caller, headers: &HeaderMap, mut body: B) -> Result<Bytes, Unread>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let too_large = Unread { status: StatusCode::PAYLOAD_TOO_LARGE, why: "the body is larger than 256 KiB" };
        let told =
            headers.get(CONTENT_LENGTH).map(|value| value.to_str().ok().and_then(|text| text.parse::<usize>().ok()));
        // The response is sent before the body is read, so that no client sends a refused body.
        if told.flatten().is_some_and(|length| length > LIMIT) {
            return Err(too_large);
        }
        let late = Unread { status: StatusCode::REQUEST_TIMEOUT, why: "the body did not come within 10 s" };
        let deadline = Instant::now() + self.time;
        let own = self.of(caller);
        let reading = async {
            let mut whole = BytesMut::new();
            // Permits are taken for received bytes, not for the announced length. Otherwise a few announcements could
            // block all others.
            let mut room = Room::default();
            while let Some(frame) = body.frame().await {
                let broken = Unread { status: StatusCode::BAD_REQUEST, why: "the body broke off" };
                let Ok(data) = frame.map_err(|_| broken)?.into_data() else { continue };
                if whole.len() + data.len() > LIMIT {
                    return Err(too_large);
                }
                let shares = (whole.len() + data.len()).div_ceil(SHARE);
                enlarge(&mut room.own, &own, shares, deadline).await?;
                enlarge(&mut room.shared, &self.room, shares, deadline).await?;
                whole.extend_from_slice(&data);
            }
            Ok(whole.freeze())
        };
        tokio::time::timeout_at(deadline, reading).await.unwrap_or(Err(late))
    }

    /// Returns the semaphore for the bodies of this caller.
    fn of(&self, caller: &Caller) -> Arc<Semaphore> {
        let mut known = self.own.lock();
        if let Some(room) = known.get(caller).and_then(Weak::upgrade) {
            return room;
        }
        if known.len() >= KNOWN {
            known.retain(|_, room| room.strong_count() > 0);
        }
        let room = Arc::new(Semaphore::new(EACH / SHARE));
        known.insert(caller.clone(), Arc::downgrade(&room));
        room
    }
}

/// Returns the error text for a body with a content encoding. A decoded body could have any size.
pub(crate) fn is_packed(headers: &HeaderMap) -> Option<String> {
    let codings =
        headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut packed = codings.map(<[u8]>::trim_ascii).filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    let coding = packed.find(|coding| !coding.is_empty())?;
    let is_name = coding.len() <= 16 && coding.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let name = if is_name { String::from_utf8_lossy(coding) } else { "this".into() };
    Some(format!("Content-Encoding {name} is not taken: send the body as it is, without Content-Encoding"))
}

/// Returns the body as readable UTF-8, or why it cannot be read. A wrong encoding gets its own error text, because "not
/// JSON" would not help.
pub(crate) fn plain(body: Bytes) -> Result<Bytes, &'static str> {
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") || body.iter().take(4).any(|byte| *byte == 0) {
        return Err("the body is not UTF-8; it looks like UTF-16 or UTF-32");
    }
    if std::str::from_utf8(&body).is_err() {
        return Err("the body is not UTF-8");
    }
    Ok(readable(&body).map_or(body, Bytes::from))
}

/// Takes more permits of a limit, until the body holds this many.
async fn enlarge(
    taken: &mut Option<OwnedSemaphorePermit>,
    room: &Arc<Semaphore>,
    shares: usize,
    deadline: Instant,
) -> Result<(), Unread> {
    let held = taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let missing = u32::try_from(shares.saturating_sub(held)).unwrap_or(u32::MAX);
    match tokio::time::timeout_at(deadline, Arc::clone(room).acquire_many_owned(missing)).await {
        Ok(Ok(more)) => match taken {
            Some(taken) => taken.merge(more),
            None => *taken = Some(more),
        },
        _ => return Err(FULL),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    #[test]
    fn a_body_in_another_encoding_is_told_so() {
        let packed = |value: &'static [u8]| {
            is_packed(&HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_bytes(value).unwrap())]))
        };
        for (coding, name) in [
            (&b"gzip"[..], "gzip"),
            (b"identity, br", "br"),
            (b"x-gzip", "x-gzip"),
            (b"<script>", "this"),
            (b"\xff", "this"),
        ] {
            assert!(packed(coding).is_some_and(|why| why.starts_with(&format!("Content-Encoding {name} "))), "{name}");
        }
        assert_eq!((packed(b"identity"), packed(b""), is_packed(&HeaderMap::new())), (None, None, None));
        for (body, why) in [
            (&b"{\"a\":\"\xff\"}"[..], "the body is not UTF-8"),
            (b"\xff\xfe{\0}\0", "the body is not UTF-8; it looks like UTF-16 or UTF-32"),
            (b"{\0}\0", "the body is not UTF-8; it looks like UTF-16 or UTF-32"),
        ] {
            assert_eq!(plain(Bytes::from_static(body)), Err(why));
        }
        assert_eq!(plain(Bytes::from_static(b"\xef\xbb\xbf{}")), Ok(Bytes::from_static(b"{}")));
        assert_eq!(plain(Bytes::from_static(b"{}")), Ok(Bytes::from_static(b"{}")));
    }

    #[tokio::test]
    async fn a_body_has_a_limit_whatever_it_says_of_itself() {
        let bodies = Bodies::default();
        let whole = |length: usize| Full::new(Bytes::from(vec![b' '; length]));
        let none = HeaderMap::new();
        assert_eq!(bodies.read(&Caller::local(), &none, whole(LIMIT)).await.unwrap().len(), LIMIT);
        assert_eq!(
            bodies.read(&Caller::local(), &none, whole(LIMIT + 1)).await.unwrap_err().status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        let mut told = HeaderMap::new();
        told.insert(CONTENT_LENGTH, (LIMIT + 1).into());
        assert_eq!(
            bodies.read(&Caller::local(), &told, whole(1)).await.unwrap_err().status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        assert_eq!(bodies.room.available_permits(), TOGETHER / SHARE, "all room was given back");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_ends_as_a_whole() {
        let drips = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b" "))), ()))
        });
        let body = StreamBody::new(Box::pin(drips));
        let (bodies, begun) = (Bodies::default(), Instant::now());
        assert_eq!(
            bodies.read(&Caller::local(), &HeaderMap::new(), body).await.unwrap_err().status,
            StatusCode::REQUEST_TIMEOUT
        );
        assert_eq!(begun.elapsed(), TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_share_the_memory() {
        let bodies = Bodies::default();
        let held = bodies.room.acquire_many(u32::try_from(TOGETHER / SHARE).unwrap()).await.unwrap();
        let body = || Full::new(Bytes::from_static(b"{}"));
        assert_eq!(
            bodies.read(&Caller::local(), &HeaderMap::new(), body()).await.unwrap_err().status,
            StatusCode::SERVICE_UNAVAILABLE
        );
        drop(held);
        assert!(bodies.read(&Caller::local(), &HeaderMap::new(), body()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_announced_and_does_not_come_takes_no_room() {
        let bodies = Arc::new(Bodies::default());
        let mut told = HeaderMap::new();
        told.insert(CONTENT_LENGTH, LIMIT.into());
        for headers in [HeaderMap::new(), told] {
            for _ in 0..TOGETHER / LIMIT {
                let (bodies, headers) = (Arc::clone(&bodies), headers.clone());
                let silent =
                    StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, std::convert::Infallible>>());
                tokio::spawn(async move { bodies.read(&Caller::local(), &headers, silent).await });
            }
        }
        tokio::task::yield_now().await;
        let begun = Instant::now();
        assert!(bodies.read(&Caller::local(), &HeaderMap::new(), Full::new(Bytes::from_static(b"{}"))).await.is_ok());
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    /// A body that sends this many bytes, and then nothing.
    fn stalled(length: usize) -> impl http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Unpin {
        let begun = futures::stream::once(std::future::ready(Ok(Frame::data(Bytes::from(vec![b' '; length])))));
        StreamBody::new(Box::pin(futures::StreamExt::chain(begun, futures::stream::pending())))
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_lets_large_bodies_drip_is_the_only_one_who_waits() {
        let bodies = Arc::new(Bodies::default());
        let dripping = Caller { principal: "ana".to_owned(), ..Caller::local() };
        let drip = |count: usize, length: usize| {
            for _ in 0..count {
                let (bodies, dripping) = (Arc::clone(&bodies), dripping.clone());
                tokio::spawn(async move { bodies.read(&dripping, &HeaderMap::new(), stalled(length)).await });
            }
        };
        let (begun, whole) = (Instant::now(), || Full::new(Bytes::from_static(b"{}")));
        let settled = async || {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        // Any number of small unfinished bodies blocks nobody, not even their own principal.
        drip(1000, 10);
        settled().await;
        assert!(bodies.read(&dripping, &HeaderMap::new(), whole()).await.is_ok());
        drip(EACH / LIMIT, LIMIT - 1);
        settled().await;
        assert!(bodies.read(&Caller::local(), &HeaderMap::new(), whole()).await.is_ok());
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let own = tokio::time::timeout(TIME / 2, bodies.read(&dripping, &HeaderMap::new(), whole())).await;
        assert!(own.is_err(), "it waits for itself");
        tokio::time::sleep(TIME).await;
        assert!(bodies.read(&dripping, &HeaderMap::new(), whole()).await.is_ok());
    }
}
