//! Reading a request's body: bounded in size, in time as a whole, and together with all others in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::domain::Caller;
use crate::mcp::{Bounds, Crowd};

/// The longest body.
pub(super) const LIMIT: usize = 256 * 1024;
/// The whole of a body must have come after this time; a time-out between frames would let it drip for ever.
const TIME: Duration = Duration::from_secs(10);
/// What all bodies that are being read may take together: thousands of connections must not fill the memory.
const TOGETHER: usize = 64 * 1024 * 1024;
/// The unit in which that is shared out.
const SHARE: usize = 1024;
/// Bodies of one principal that are read at once: whoever lets them drip waits for itself, not others for it.
const EACH: Bounds = Bounds { running: 2048, running_each: 64, waiting_each: 4096 };

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) status: StatusCode,
    pub(super) why: &'static str,
}

const FULL: Unread = Unread { status: StatusCode::SERVICE_UNAVAILABLE, why: "too many bodies are being read" };

/// Reads bodies.
pub(super) struct Bodies {
    room: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    time: Duration,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(TOGETHER / SHARE)), crowd: Crowd::new(EACH), time: TIME }
    }
}

impl Bodies {
    /// The whole body of this caller's request.
    pub(super) async fn read<B>(&self, caller: &Caller, headers: &HeaderMap, mut body: B) -> Result<Bytes, Unread>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let too_large = Unread { status: StatusCode::PAYLOAD_TOO_LARGE, why: "the body is larger than 256 KiB" };
        let told =
            headers.get(CONTENT_LENGTH).map(|value| value.to_str().ok().and_then(|text| text.parse::<usize>().ok()));
        // Nobody sends on what is refused anyway.
        if told.flatten().is_some_and(|length| length > LIMIT) {
            return Err(too_large);
        }
        let late = Unread { status: StatusCode::REQUEST_TIMEOUT, why: "the body did not come within 10 s" };
        let deadline = Instant::now() + self.time;
        let place = self.crowd.enter(caller).ok_or(FULL)?;
        let _turn = place.turn(self.time).await.ok_or(FULL)?;
        let reading = async {
            let mut whole = BytesMut::new();
            // Room for what has come, not for what is announced: announcing costs nothing, and few could keep out all others.
            let mut room = None;
            while let Some(frame) = body.frame().await {
                let broken = Unread { status: StatusCode::BAD_REQUEST, why: "the body broke off" };
                let Ok(data) = frame.map_err(|_| broken)?.into_data() else { continue };
                if whole.len() + data.len() > LIMIT {
                    return Err(too_large);
                }
                self.make_room(&mut room, whole.len() + data.len(), deadline).await?;
                whole.extend_from_slice(&data);
            }
            Ok(whole.freeze())
        };
        tokio::time::timeout_at(deadline, reading).await.unwrap_or(Err(late))
    }

    /// Enlarges the room that a body takes to this length.
    async fn make_room<'a>(
        &'a self,
        room: &mut Option<SemaphorePermit<'a>>,
        length: usize,
        deadline: Instant,
    ) -> Result<(), Unread> {
        let held = room.as_ref().map_or(0, SemaphorePermit::num_permits);
        let missing = u32::try_from(length.div_ceil(SHARE).saturating_sub(held)).unwrap_or(u32::MAX);
        match tokio::time::timeout_at(deadline, self.room.acquire_many(missing)).await {
            Ok(Ok(more)) => match room {
                Some(room) => room.merge(more),
                None => *room = Some(more),
            },
            _ => return Err(FULL),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

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

    #[tokio::test(start_paused = true)]
    async fn whoever_lets_bodies_drip_is_the_only_one_who_waits() {
        let bodies = Arc::new(Bodies::default());
        let dripping = Caller { principal: "ana".to_owned(), ..Caller::local() };
        for _ in 0..EACH.running_each {
            let (bodies, dripping) = (Arc::clone(&bodies), dripping.clone());
            let silent = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, std::convert::Infallible>>());
            tokio::spawn(async move { bodies.read(&dripping, &HeaderMap::new(), silent).await });
        }
        while bodies.crowd.running() < EACH.running_each {
            tokio::task::yield_now().await;
        }
        let (begun, whole) = (Instant::now(), || Full::new(Bytes::from_static(b"{}")));
        assert!(bodies.read(&Caller::local(), &HeaderMap::new(), whole()).await.is_ok());
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let own = tokio::time::timeout(TIME / 2, bodies.read(&dripping, &HeaderMap::new(), whole())).await;
        assert!(own.is_err(), "it waits for itself");
        tokio::time::sleep(TIME).await;
        assert!(bodies.read(&dripping, &HeaderMap::new(), whole()).await.is_ok());
    }
}
